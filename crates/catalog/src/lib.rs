//! The database of sites, environments, backups and jobs.
