"""How dates, times and numbers are written and read, for Django's FORMAT_MODULE_PATH."""
