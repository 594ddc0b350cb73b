"""Files of sound and pictures, read: for server and client alike. Nothing here knows a model, torch or a transport."""
