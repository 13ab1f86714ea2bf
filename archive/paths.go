package archive

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// layout is the first element of every path; another layout gets another one.
const layout = "v1"

// maxPart is the highest part number that the six digits of a name hold.
const maxPart = 999_999

var (
	regionPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	objectPattern = regexp.MustCompile(`^v1/region=([a-z0-9][a-z0-9_-]{0,62})/(?:` +
		`month=(\d{4}-\d{2})/part-(\d{6})(\.parquet|\.manifest\.json)|checkpoints/(\d{12})|` +
		`heads/(\d{20})|keys/(\d{12}))$`)
)

type objectKind int

const (
	objectUnknown objectKind = iota
	objectParquet
	objectManifest
	objectCheckpoint
	objectHeads
	objectKeys
)

// object is what a path says: for a part its month and number, for a checkpoint its size, for heads their time, for
// keys the size from which they hold; and what its store says about it.
type object struct {
	path   string
	kind   objectKind
	region string
	month  string
	number int64
	bytes  int64
	hidden string
}

func regionPrefix(region string) string { return layout + "/region=" + region + "/" }

func parquetPath(region, month string, part int64) string {
	return fmt.Sprintf("%smonth=%s/part-%06d.parquet", regionPrefix(region), month, part)
}

func manifestPath(region, month string, part int64) string {
	return fmt.Sprintf("%smonth=%s/part-%06d.manifest.json", regionPrefix(region), month, part)
}

func checkpointPath(region string, size int64) string {
	return fmt.Sprintf("%scheckpoints/%012d", regionPrefix(region), size)
}

func keysPath(region string, from int64) string {
	return fmt.Sprintf("%skeys/%012d", regionPrefix(region), from)
}

func headsPath(region string, micros int64) string {
	return fmt.Sprintf("%sheads/%020d", regionPrefix(region), micros)
}

// parsePath says what stands at p. Anything that ward would not have written is objectUnknown, with the region that the
// path claims.
func parsePath(p string, bytes int64) object {
	o := object{path: p, bytes: bytes}
	m := objectPattern.FindStringSubmatch(p)
	if m == nil {
		if rest, ok := strings.CutPrefix(p, layout+"/region="); ok {
			o.region, _, _ = strings.Cut(rest, "/")
		}
		return o
	}
	o.region = m[1]
	var digits string
	switch {
	case m[3] != "" && m[4] == ".parquet":
		o.kind, o.month, digits = objectParquet, m[2], m[3]
	case m[3] != "":
		o.kind, o.month, digits = objectManifest, m[2], m[3]
	case m[5] != "":
		o.kind, digits = objectCheckpoint, m[5]
	case m[6] != "":
		o.kind, digits = objectHeads, m[6]
	default:
		o.kind, digits = objectKeys, m[7]
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 1 || o.month != "" && validateMonth(o.month) != nil {
		o.kind = objectUnknown
	}
	o.number = n
	return o
}

func validateRegion(region string) error {
	if !regionPattern.MatchString(region) {
		return fmt.Errorf("region %q: want lower-case letters, digits, - and _", region)
	}
	return nil
}

func validateMonth(month string) error {
	t, err := time.Parse("2006-01", month)
	if err != nil || t.Format("2006-01") != month || t.Year() < 1970 {
		return fmt.Errorf("month %q: want YYYY-MM", month)
	}
	return nil
}

// monthRange returns the first microsecond of month and of the month after it.
func monthRange(month string) (from, to int64, err error) {
	if err := validateMonth(month); err != nil {
		return 0, 0, err
	}
	t, _ := time.Parse("2006-01", month)
	return t.UnixMicro(), t.AddDate(0, 1, 0).UnixMicro(), nil
}

// MonthOf returns the month, YYYY-MM in UTC, of a time in microseconds since 1970.
func MonthOf(micros int64) string { return time.UnixMicro(micros).UTC().Format("2006-01") }

// validateStorePath refuses what could leave the store.
func validateStorePath(p string) error {
	if p == "" || path.Clean(p) != p || path.IsAbs(p) || p == ".." || strings.HasPrefix(p, "../") ||
		strings.ContainsAny(p, "\\\x00") {
		return fmt.Errorf("invalid path %q", p)
	}
	return nil
}
