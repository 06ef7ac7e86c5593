"""What people read, in their language. A room below the API, because API and pages both say it."""
