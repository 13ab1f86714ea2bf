package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/archive/s3"
	"github.com/ward-health/ward/archive/s3/s3test"
)

// The store is chosen by its URL, and what an auditor's script sees of it is the exit code: of a sound archive, of one
// whose newest checkpoint was hidden, of a store that is safe, that could be better, and that is not.
func TestArchiveOnS3(t *testing.T) {
	t.Parallel()
	server := s3test.Start(t)
	ctx := t.Context()
	if err := server.MakeBucket(ctx, "archive"); err != nil {
		t.Fatal(err)
	}
	owner, err := server.Client()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.MakeBucket(ctx, "unlocked", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	store, err := s3.Open("s3://archive/acme", server.Options())
	if err != nil {
		t.Fatal(err)
	}
	text, key, err := archive.GenerateKey(archive.Origin("test", "eu"))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := archive.NewSigner(text)
	if err != nil {
		t.Fatal(err)
	}
	log, err := archive.OpenLog(ctx, store, "eu", archive.Origin("test", "eu"), signer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.AppendEmpty(ctx, "2026-01", time.Now().AddDate(7, 0, 0)); err != nil {
		t.Fatal(err)
	}
	env := s3test.Environment(s3test.AccessKey, s3test.SecretKey)
	dir := t.TempDir()
	for k, v := range map[string]string{"WARD_S3_ENDPOINT": server.Endpoint, "WARD_S3_REGION": "us-east-1",
		"WARD_S3_PATH_STYLE": "true", "HOME": dir, "WARD_CONFIG": filepath.Join(dir, "ward.yaml")} {
		env[k] = v
	}
	if err := os.WriteFile(env["WARD_CONFIG"], nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ward := func(args ...string) (int, string, string) {
		var out, errs strings.Builder
		code := run(ctx, args, &Env{In: strings.NewReader(""), Out: &out, Err: &errs,
			Getenv: func(k string) string { return env[k] }, Now: time.Now, Terminal: func() bool { return false }})
		return code, out.String(), errs.String()
	}
	verify := func() (int, string, string) {
		return ward("archive", "verify", "--offline", "--store", "s3://archive/acme", "--key", key, "--report",
			filepath.Join(t.TempDir(), "report.json"))
	}
	if code, out, errs := verify(); code != exitOK || !strings.Contains(out, "valid") {
		t.Errorf("a sound archive: exit %d\n%s%s", code, out, errs)
	}
	for _, test := range []struct {
		store string
		args  []string
		want  int
	}{
		{"s3://archive/acme", nil, exitOK},
		// as the bucket's owner, who may more than a worker needs
		{"s3://archive/acme", []string{"--strict"}, exitProblem},
		{"s3://unlocked", nil, exitProblem},
		{dir, nil, exitOK},
		{dir, []string{"--strict"}, exitProblem},
		{"s3://nowhere", nil, exitFailed},
		{"ftp://nowhere", nil, exitUsage},
	} {
		code, out, errs := ward(append([]string{"archive", "doctor", "--offline", "--json", "--store", test.store},
			test.args...)...)
		if code != test.want {
			t.Errorf("doctor of %s %v: exit %d, want %d\n%s%s", test.store, test.args, code, test.want, out, errs)
		}
		if test.want != exitOK && test.want != exitProblem {
			continue
		}
		for line := range strings.Lines(out) {
			var c archive.StoreCheck
			if err := json.Unmarshal([]byte(line), &c); err != nil || c.Check == "" || c.Detail == "" {
				t.Errorf("line %q: %v", line, err)
			}
		}
	}
	if err := owner.RemoveObject(ctx, "archive", "acme/v1/region=eu/checkpoints/000000000001",
		minio.RemoveObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := verify(); code != exitProblem ||
		!strings.Contains(out, "HIDDEN v1/region=eu/checkpoints/000000000001") {
		t.Errorf("a hidden checkpoint: exit %d\n%s%s", code, out, errs)
	}
}
