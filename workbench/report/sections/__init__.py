"""The page's sections: plain values for the template, one module a subject."""
