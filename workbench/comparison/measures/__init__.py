"""The distances that ship: of rows of pixels, and of maps whose pixels have places."""
