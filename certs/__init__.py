"""The CA and RA, keys, certificates, login, signatures and sealed evidence. Knows nothing of cases."""
