# What `cmake --install` puts where; the package is made from the same rules.
