package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/ward-health/ward/archive"
	"github.com/ward-health/ward/archive/s3"
	"github.com/ward-health/ward/internal/notify"
	"github.com/ward-health/ward/internal/postgres"
	"github.com/ward-health/ward/review"
)

// Settings are where things are. Flags come first, then WARD_* variables, then ward.yaml. None of them names a person:
// who somebody is, their token says.
type Settings struct {
	Database       string `yaml:"database"`        // as ward_reviewer; WARD_DATABASE_URL
	WorkerDatabase string `yaml:"worker_database"` // as ward_worker; WARD_WORKER_DATABASE_URL
	Store          string `yaml:"store"`           // directory of the archive, or s3://BUCKET/PREFIX; WARD_STORE
	Installation   string `yaml:"installation"`    // in the origin of the archive's log; WARD_INSTALLATION
	SigningKey     string `yaml:"signing_key"`     // file of the archive's private key; WARD_SIGNING_KEY
	// file of the private key that signing_key takes over from; WARD_PREVIOUS_SIGNING_KEY
	PreviousKey string `yaml:"previous_signing_key"`
	VerifyKey   string `yaml:"verify_key"`        // public key, or a file that holds it; WARD_VERIFY_KEY
	TokenFile   string `yaml:"token_file"`        // WARD_TOKEN_FILE
	TokenStore  string `yaml:"token_store"`       // keyring, file or auto; WARD_TOKEN_STORE
	Issuer      string `yaml:"issuer"`            // the identity provider of ward login; WARD_ISSUER
	Identity    string `yaml:"identity_database"` // as ward_identity; WARD_IDENTITY_DATABASE_URL
	RulesDir    string `yaml:"rules_dir"`         // directory of the installation's own rules; WARD_RULES_DIR
	RecordURL   string `yaml:"record_url"`        // leads from a record to the customer's own chart

	S3     S3Settings    `yaml:"s3"`     // where an s3:// store is
	Notify notify.Config `yaml:"notify"` // who is told; secrets stand in files or in WARD_NOTIFY_SECRET_*

	from      string
	fileNamed bool // somebody chose the token file
	getenv    func(string) string
}

// S3Settings say where a bucket is. Credentials are no setting: they come from AWS's variables, credentials file or
// roles.
type S3Settings struct {
	Endpoint  string `yaml:"endpoint"`   // of a server other than AWS, https://HOST; WARD_S3_ENDPOINT
	Region    string `yaml:"region"`     // WARD_S3_REGION, else AWS_REGION
	PathStyle bool   `yaml:"path_style"` // WARD_S3_PATH_STYLE=true
	CAFile    string `yaml:"ca_file"`    // certificates in PEM; WARD_S3_CA_FILE
}

// settings finds and reads them.
func (a *app) settings() (Settings, error) {
	s, err := a.settingsFile()
	if err != nil {
		return s, err
	}
	for name, field := range map[string]*string{
		"WARD_DATABASE_URL": &s.Database, "WARD_WORKER_DATABASE_URL": &s.WorkerDatabase, "WARD_STORE": &s.Store,
		"WARD_RULES_DIR": &s.RulesDir, "WARD_INSTALLATION": &s.Installation,
		"WARD_SIGNING_KEY": &s.SigningKey, "WARD_PREVIOUS_SIGNING_KEY": &s.PreviousKey, "WARD_VERIFY_KEY": &s.VerifyKey,
		"WARD_TOKEN_FILE":  &s.TokenFile,
		"WARD_S3_ENDPOINT": &s.S3.Endpoint, "WARD_S3_REGION": &s.S3.Region, "WARD_S3_CA_FILE": &s.S3.CAFile,
		"WARD_TOKEN_STORE": &s.TokenStore, "WARD_ISSUER": &s.Issuer, "WARD_IDENTITY_DATABASE_URL": &s.Identity,
	} {
		if v := a.Getenv(name); v != "" {
			*field = v
		}
	}
	s.getenv = a.Getenv
	switch v := a.Getenv("WARD_S3_PATH_STYLE"); v {
	case "":
	case "true", "false":
		s.S3.PathStyle = v == "true"
	default:
		return s, usagef("WARD_S3_PATH_STYLE is true or false, not %q", v)
	}
	if a.flags.database != "" {
		s.Database = a.flags.database
	}
	if s.Installation == "" {
		s.Installation = "ward"
	}
	s.fileNamed = s.TokenFile != ""
	if dir, err := a.configDir(); err == nil && s.TokenFile == "" {
		s.TokenFile = filepath.Join(dir, "tokens.json")
	}
	return s, nil
}

// maxSmall bounds the files that a person hands to a command: settings, keys, tokens, checkpoints. A wrong name may
// lead to anything.
const maxSmall = 1 << 20

// readSmall reads a file that ought to be small.
func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller says what for
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSmall+1))
	if err == nil && len(b) > maxSmall {
		err = fmt.Errorf("%s has more than %d bytes: it is something else", name, maxSmall)
	}
	return b, err //nolint:wrapcheck // the caller says what for
}

func (a *app) configDir() (string, error) {
	if dir := a.Getenv("XDG_CONFIG_HOME"); dir != "" {
		return filepath.Join(dir, "ward"), nil
	}
	home := a.Getenv("HOME")
	if home == "" {
		return "", errors.New("HOME is not set")
	}
	return filepath.Join(home, ".config", "ward"), nil
}

func (a *app) settingsFile() (Settings, error) {
	explicit := a.flags.config
	if explicit == "" {
		explicit = a.Getenv("WARD_CONFIG")
	}
	if explicit != "" {
		return readSettings(explicit)
	}
	places := []string{"ward.yaml"}
	if dir, err := a.configDir(); err == nil {
		places = append(places, filepath.Join(dir, "ward.yaml"))
	}
	if dir, err := postgres.DefaultDataDir(); err == nil {
		places = append(places, filepath.Join(dir, "ward.yaml")) // written by ward demo
	}
	for _, p := range places {
		s, err := readSettings(p)
		if !errors.Is(err, fs.ErrNotExist) {
			return s, err
		}
	}
	return Settings{}, nil
}

func readSettings(file string) (Settings, error) {
	var s Settings
	b, err := readSmall(file)
	if err != nil {
		return s, usagef("read settings: %w", err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	if err := dec.Decode(&s); err != nil && !errors.Is(err, io.EOF) { // an empty file settles nothing
		return s, usagef("settings file %s: %s", file, yamlMessage(err))
	}
	s.from = file
	return s, nil
}

// store opens the archive's store, by its URL.
func (s *Settings) store() (archive.Store, error) {
	switch {
	case s.Store == "":
		return nil, usagef("no archive store: set store in ward.yaml, or WARD_STORE")
	case strings.HasPrefix(s.Store, s3.Scheme):
		store, err := s3.Open(s.Store, s3.Options{Endpoint: s.S3.Endpoint, Region: s.S3.Region,
			PathStyle: s.S3.PathStyle, CAFile: s.S3.CAFile, Getenv: s.getenv})
		if err != nil {
			return nil, usageError{err}
		}
		return store, nil
	case strings.Contains(s.Store, "://"):
		return nil, usagef("store %q: want a directory, or s3://BUCKET/PREFIX", s.Store)
	}
	return archive.OpenDir(s.Store)
}

var goType = regexp.MustCompile(` in type [a-z]+\.[A-Za-z]+`)

// yamlMessage is the parser's complaint on one line, without the names of Go types.
func yamlMessage(err error) string {
	text := goType.ReplaceAllString(err.Error(), ", which is no setting")
	text = strings.TrimPrefix(strings.TrimPrefix(text, "yaml: "), "unmarshal errors:")
	return strings.Join(strings.Fields(text), " ")
}

// recordURL is the template, once it is one.
func (s *Settings) recordURL() (review.RecordURL, error) {
	u, err := review.ParseRecordURL(s.RecordURL)
	if err != nil {
		return "", usageError{err}
	}
	return u, nil
}

// targets are who is told.
func (s *Settings) targets(a *app) ([]notify.Target, error) {
	list, err := s.Notify.Open(notify.World{Getenv: s.getenv, Now: a.Now, Read: readSmall})
	if err != nil {
		return nil, usageError{err}
	}
	return list, nil
}

// verifyKeyOr is the key that text gives, or, where it is empty, that of the settings.
func (s *Settings) verifyKeyOr(text string) (archive.Key, error) {
	if text != "" {
		s.VerifyKey = text
	}
	return s.verifyKey()
}

func (s *Settings) verifyKey() (archive.Key, error) {
	if s.VerifyKey == "" {
		return archive.Key{}, usagef("no public key: set verify_key in ward.yaml, or WARD_VERIFY_KEY")
	}
	if strings.HasPrefix(s.VerifyKey, "PRIVATE+KEY+") { // not to be repeated in a message
		return archive.Key{},
			usagef("this is a private key: what verifies is the public one, which ward archive keygen printed")
	}
	key, err := archive.ParseKey(s.VerifyKey)
	if err == nil {
		return key, nil
	}
	text, err := readSmall(s.VerifyKey)
	if errors.Is(err, fs.ErrNotExist) {
		return archive.Key{}, usagef("%q is neither a public key nor a file that holds one", s.VerifyKey)
	}
	if err != nil {
		return archive.Key{}, usagef("read public key: %w", err)
	}
	if key, err = archive.ParseKey(string(text)); err != nil {
		return archive.Key{}, usagef(
			"%s holds no public key: that is one line, NAME+HASH+KEY, as ward archive keygen prints it", s.VerifyKey)
	}
	return key, nil
}
