"""The shell around the apps: settings, URLs, servers, commands; knows everyone, known by no one."""
