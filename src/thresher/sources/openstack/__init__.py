"""OpenStack: servers of one project in one region, through openstacksdk."""
