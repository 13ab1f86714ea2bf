// Package s3 keeps the archive in a bucket with S3 Object Lock. It is the one package that talks to S3.
//
// An object is written by one PUT, never in parts, that carries If-None-Match: *, a lock in COMPLIANCE mode until its
// own retain-until date, and its SHA-256. Nobody can delete or shorten what is locked like that. What others can do is
// put a delete marker or a later version over it, so an object's first version is what this store reads, by version id,
// and [archive.Object].Hidden says what stands over it. A version cannot be put below the first one.
//
// What the server is made to promise, [Store.Examine] tries out.
package s3

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Scheme begins the URL of a store of this package: s3://BUCKET or s3://BUCKET/PREFIX.
const Scheme = "s3://"

// attempts is how often a request is sent before its failure counts; the pauses between them grow to a second.
const attempts = 6

// Options say where a bucket is. Credentials are no option: they come from the AWS variables of the environment, else
// from the shared credentials file, else from the machine's or the container's role.
type Options struct {
	// Endpoint is a server other than AWS, as https://HOST[:PORT]. Plain http is accepted from this machine only.
	Endpoint string
	// Region is the bucket's; default AWS_REGION, then what the server says.
	Region string
	// PathStyle puts the bucket into the path and not into the host's name, as most servers other than AWS want it.
	PathStyle bool
	// CAFile holds certificates in PEM that the server's may be signed by, instead of the system's.
	CAFile string
	// Getenv reads the environment; nil is os.Getenv.
	Getenv func(string) string
}

// Store is the archive in one bucket, below one prefix. It is safe for concurrent use.
type Store struct {
	client *minio.Core
	plain  *http.Client // for requests that client makes no sense of
	bucket string
	prefix string // empty, or ends with a slash
	name   string
	now    func() time.Time

	mu   sync.Mutex
	pins map[string]pin // what a listing or a PUT told: the first version of an object stays the first
}

// pin is the first version of an object.
type pin struct {
	version string
	size    int64
}

// Open prepares the store at an s3:// URL. It asks the server nothing yet.
func Open(location string, o Options) (*Store, error) {
	bucket, prefix, err := parseURL(location)
	if err != nil {
		return nil, err
	}
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	endpoint, secure, err := o.endpoint()
	if err != nil {
		return nil, err
	}
	transport, err := o.transport(secure)
	if err != nil {
		return nil, err
	}
	lookup := minio.BucketLookupAuto
	if o.PathStyle {
		lookup = minio.BucketLookupPath
	}
	region := o.Region
	if region == "" {
		region = firstOf(o.Getenv("AWS_REGION"), o.Getenv("AWS_DEFAULT_REGION"))
	}
	client, err := minio.NewCore(endpoint, &minio.Options{
		Creds: o.credentials(), Secure: secure, Region: region, BucketLookup: lookup, Transport: transport,
		MaxRetries: attempts,
	})
	if err != nil {
		return nil, fmt.Errorf("opening store %s: %w", location, err)
	}
	client.SetAppInfo("ward", "v1")
	s := &Store{client: client, plain: &http.Client{Transport: transport, Timeout: time.Minute}, bucket: bucket,
		prefix: prefix, name: location, now: time.Now, pins: map[string]pin{}}
	return s, nil
}

func parseURL(location string) (bucket, prefix string, err error) {
	rest, ok := strings.CutPrefix(location, Scheme)
	bucket, prefix, _ = strings.Cut(rest, "/")
	prefix = strings.Trim(prefix, "/")
	if !ok || bucket == "" || strings.ContainsAny(rest, "?#@\\ ") || strings.Contains("/"+prefix+"/", "/../") ||
		strings.Contains(rest, "//") {
		return "", "", fmt.Errorf("store %q: want s3://BUCKET or s3://BUCKET/PREFIX", location)
	}
	if prefix != "" {
		prefix += "/"
	}
	return bucket, prefix, nil
}

// endpoint returns host and port, and whether to speak TLS. Without TLS anybody on the way can read every event's
// metadata.
func (o *Options) endpoint() (string, bool, error) {
	if o.Endpoint == "" {
		return "s3.amazonaws.com", true, nil
	}
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" ||
		u.User != nil {
		return "", false, fmt.Errorf("S3 endpoint %q: want https://HOST or https://HOST:PORT", o.Endpoint)
	}
	if u.Scheme == "http" && u.Hostname() != "localhost" && !net.ParseIP(u.Hostname()).IsLoopback() {
		return "", false, fmt.Errorf("S3 endpoint %s is not on this machine and not encrypted: use https", o.Endpoint)
	}
	return u.Host, u.Scheme == "https", nil
}

func (o *Options) transport(secure bool) (http.RoundTripper, error) {
	t, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, fmt.Errorf("preparing connections to S3: %w", err)
	}
	if o.CAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(o.CAFile)
	if err != nil {
		return nil, fmt.Errorf("reading certificates for S3: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("certificates for S3: %s holds none in PEM", o.CAFile)
	}
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	t.TLSClientConfig.RootCAs = pool
	return t, nil
}

// credentials is the chain of sources.
func (o *Options) credentials() *credentials.Credentials {
	return credentials.NewChainCredentials([]credentials.Provider{
		envCredentials{o.Getenv},
		&credentials.FileAWSCredentials{Filename: o.Getenv("AWS_SHARED_CREDENTIALS_FILE"),
			Profile: o.Getenv("AWS_PROFILE")},
		&credentials.IAM{Client: &http.Client{Timeout: 10 * time.Second}},
	})
}

// envCredentials are those of an environment that the caller chose.
type envCredentials struct{ getenv func(string) string }

// RetrieveWithCredContext reads the variables.
func (e envCredentials) RetrieveWithCredContext(*credentials.CredContext) (credentials.Value, error) {
	id, secret := e.getenv("AWS_ACCESS_KEY_ID"), e.getenv("AWS_SECRET_ACCESS_KEY")
	if id == "" || secret == "" {
		return credentials.Value{SignerType: credentials.SignatureAnonymous}, nil // the chain goes on
	}
	return credentials.Value{AccessKeyID: id, SecretAccessKey: secret, SessionToken: e.getenv("AWS_SESSION_TOKEN"),
		SignerType: credentials.SignatureV4}, nil
}

// Retrieve is RetrieveWithCredContext.
func (e envCredentials) Retrieve() (credentials.Value, error) { return e.RetrieveWithCredContext(nil) }

// IsExpired asks for the variables again each time: they are cheap.
func (e envCredentials) IsExpired() bool { return true }

// String returns the URL.
func (s *Store) String() string { return s.name }

func (s *Store) key(path string) string { return s.prefix + path }

func (s *Store) pinned(path string) (pin, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.pins[path]
	return p, ok
}

func (s *Store) setPin(path string, p pin) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pins[path] = p
}

func firstOf(list ...string) string {
	for _, v := range list {
		if v != "" {
			return v
		}
	}
	return ""
}
