package archive

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFilesAreListed: the package comment names every file of the package once, and none that is not there.
func TestFilesAreListed(t *testing.T) {
	doc := must(os.ReadFile("doc.go"))(t)
	_, list, ok := strings.Cut(string(doc), "// # Files")
	if !ok {
		t.Fatal("doc.go has no list of files")
	}
	var listed []string
	for line := range strings.Lines(list) {
		if len(line) < len("//\trows and hashes     ") || !strings.HasPrefix(line, "//\t") {
			continue
		}
		for name := range strings.SplitSeq(line[len("//\trows and hashes     "):], ",") {
			if name = strings.TrimSpace(name); name != "" {
				listed = append(listed, name+".go")
			}
		}
	}
	var files []string
	for _, f := range must(filepath.Glob("*.go"))(t) {
		if f != "doc.go" && !strings.HasSuffix(f, "_test.go") {
			files = append(files, f)
		}
	}
	slices.Sort(listed)
	slices.Sort(files)
	if !slices.Equal(listed, files) {
		t.Errorf("doc.go lists\n%q\nthe files are\n%q", listed, files)
	}
}
