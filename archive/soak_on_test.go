//go:build soak

package archive

// everyByte changes every byte of the archive, and not one in many.
const everyByte = true
