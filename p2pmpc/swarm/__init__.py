"""N peers on one machine: started, watched, compared, and checked against the plain sum."""
