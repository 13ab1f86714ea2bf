package migrate

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/ward-health/ward/queries"
)

// A tableFile is a numbered file of tables/.
type tableFile struct {
	Version int
	Name    string // 00001_roles.sql
	Sum     string // SHA-256, hexadecimal
	text    string
}

// release is a schema as its files say it.
type release struct {
	Version   string
	Tables    []tableFile
	Objects   []Object
	Sum       string // of everything
	Generator string // of what makes an application's table protected
}

func readRelease(files fs.FS, version string) (*release, error) {
	r := &release{Version: version}
	var err error
	if r.Tables, err = readTables(files); err != nil {
		return nil, err
	}
	if r.Objects, err = readObjects(files); err != nil {
		return nil, err
	}
	all := sha256.New()
	for _, t := range r.Tables {
		all.Write(fmt.Appendf(nil, "table %s %s\n", t.Name, t.Sum))
	}
	sorted := slices.SortedFunc(slices.Values(r.Objects), func(a, b Object) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	for _, o := range sorted {
		all.Write(fmt.Appendf(nil, "%s %s %s\n", o.Kind, o.Name, o.Sum))
	}
	r.Sum, r.Generator = hex.EncodeToString(all.Sum(nil)), generator(r.Objects)
	return r, nil
}

// readTables reads the numbered files, and holds those that tables/SUMS names to the sums there: a released file that
// somebody edited would install one schema and upgrade to another.
func readTables(files fs.FS) ([]tableFile, error) {
	names, err := fs.Glob(files, "tables/*.sql")
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	frozen, err := readSums(files)
	if err != nil {
		return nil, err
	}
	var tables []tableFile
	for _, file := range names {
		text, err := fs.ReadFile(files, file)
		if err != nil {
			return nil, fmt.Errorf("read the schema: %w", err)
		}
		t := tableFile{Name: path.Base(file), text: string(text)}
		number, _, _ := strings.Cut(t.Name, "_")
		if t.Version, err = strconv.Atoi(number); err != nil {
			return nil, fmt.Errorf("%s does not begin with its number", file)
		}
		sum := sha256.Sum256(text)
		t.Sum = hex.EncodeToString(sum[:])
		if want, ok := frozen[t.Name]; ok && want != t.Sum {
			return nil,
				fmt.Errorf("%s was released and is frozen, but its SHA-256 is %s and not %s: undo the change and "+
					"add a new numbered file instead", file, t.Sum, want)
		}
		tables = append(tables, t)
	}
	slices.SortFunc(tables, func(a, b tableFile) int { return cmp.Compare(a.Version, b.Version) })
	for i := 1; i < len(tables); i++ {
		if tables[i].Version == tables[i-1].Version {
			return nil, fmt.Errorf("tables/%s and tables/%s have the same number", tables[i-1].Name, tables[i].Name)
		}
	}
	return tables, nil
}

func readSums(files fs.FS) (map[string]string, error) {
	text, err := fs.ReadFile(files, "tables/SUMS")
	if err != nil {
		return nil, fmt.Errorf("read the sums of released tables: %w", err)
	}
	sums := map[string]string{}
	for line := range strings.Lines(string(text)) {
		sum, name, ok := strings.Cut(strings.TrimSpace(line), "  ")
		if !ok {
			return nil, fmt.Errorf("tables/SUMS: %q is not a line of sha256sum", strings.TrimSpace(line))
		}
		sums[name] = sum
	}
	return sums, nil
}

// Version is this program's release.
const Version = queries.Version

// Sum tells this program's schema from another: the hexadecimal SHA-256 over all its files.
func Sum() string {
	r, err := ownRelease()
	if err != nil {
		panic(err) // the files are embedded, and a test reads them
	}
	return r.Sum
}
