"""Reports, made from bench documents alone: tables, a page, pictures, and several as one."""
