"""What people and endpoints are told: notices in the application, mails, announcements."""
