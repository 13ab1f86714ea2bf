//go:build !race

package archive

// raceDetector multiplies the memory that a process needs.
const raceDetector = false
