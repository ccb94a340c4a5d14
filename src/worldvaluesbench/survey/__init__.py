"""What people were asked and what they said: the codebook, survey files, responses and attributes."""
