"""Pictures: requests at different denoising steps share forwards; generating, varying, editing and inpainting."""
