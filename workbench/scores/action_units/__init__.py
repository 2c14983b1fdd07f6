"""Maps beside soft maps of action units: cosines (CAM-COS, ATT-COS) and attribution tables, with their controls."""
