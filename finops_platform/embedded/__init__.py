"""Starts the PostgreSQL and Valkey that ship as wheels, so that nothing else need be installed.

Works without Django: everything here runs before there is a database to configure. Linux and macOS.
"""
