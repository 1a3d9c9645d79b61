"""Starting Headrace's processes: the command line, the local stack, containers and dashboards."""
