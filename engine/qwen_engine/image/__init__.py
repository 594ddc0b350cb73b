"""Pictures: requests at different denoising steps share forwards; drawing, varying, editing and painting over."""
