package issuer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"github.com/certkeep/certkeep/internal/plan"
)

// How long a directory is used before it is fetched again, and how long the
// old one serves on when that fails.
const (
	directoryLife  = 24 * time.Hour
	directoryGrace = time.Hour
)

// Meta is what a CA says of itself, RFC 8555 section 7.1.1.
type Meta struct {
	Terms       string            // URL of the terms of service; "" where there are none
	Website     string            // for people
	CAA         []string          // domains that name this CA in CAA records
	EABRequired bool              // a new account needs an external one
	Profiles    map[string]string // name → description
	RenewalInfo bool              // offers RFC 9773
	KeyChange   bool              // offers RFC 8555 section 7.3.5
}

// directory is a fetched directory and the ACME library's client for it.
type directory struct {
	acme.Directory
	meta   Meta
	body   []byte // as the CA sent it
	client *acme.Client
	until  time.Time // fetched again afterwards
}

// Meta fetches the directory if it is not known, and returns what the CA
// says of itself.
func (ca *CA) Meta(ctx context.Context) (Meta, error) {
	dir, err := ca.directory(ctx)
	if err != nil {
		return Meta{}, err
	}
	return dir.meta, nil
}

// Refresh fetches the directory again.
func (ca *CA) Refresh(ctx context.Context) error {
	unlock, err := ca.fetchLock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	_, err = ca.fetchDirectory(ctx)
	return err
}

// directory returns the directory, from memory while it is young.
func (ca *CA) directory(ctx context.Context) (*directory, error) {
	if dir := ca.dir.Load(); dir != nil && time.Now().Before(dir.until) {
		return dir, nil
	}
	before := ca.failed.Load()
	unlock, err := ca.fetchLock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	old := ca.dir.Load()
	if old != nil && time.Now().Before(old.until) {
		return old, nil // somebody else fetched it meanwhile
	}
	if failed := ca.failed.Load(); failed != before {
		return nil, failed.err // somebody else tried: a CA that is down is not asked by each who waited
	}
	dir, err := ca.fetchDirectory(ctx)
	if err != nil && old == nil && ctx.Err() == nil {
		ca.failed.Store(&failedFetch{err})
	}
	if err != nil && old != nil && ctx.Err() == nil {
		// The URLs of yesterday are most likely those of today. If not, the
		// request that needs one says so.
		kept := *old
		kept.until = time.Now().Add(directoryGrace)
		ca.dir.Store(&kept)
		return &kept, nil
	}
	return dir, err
}

// failedFetch is how an attempt to fetch the directory ended; each is one of
// its own.
type failedFetch struct{ err error }

// fetchLock lets one caller at a time fetch.
func (ca *CA) fetchLock(ctx context.Context) (unlock func(), err error) {
	select {
	case ca.fetching <- struct{}{}:
		return func() { <-ca.fetching }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: fetch the directory: %w", ca.cfg.ID, context.Cause(ctx))
	}
}

// fetchDirectory asks the CA. The caller holds the lock.
func (ca *CA) fetchDirectory(ctx context.Context) (*directory, error) {
	const op = "fetch the directory"
	var a *answer
	_, err := ca.once(ctx, op, func(ctx context.Context) (err error) {
		a, err = ca.get(ctx, ca.cfg.Directory, maxDirectory)
		return err
	})
	if err != nil {
		return nil, err
	}
	dir, err := ca.readDirectory(a.body)
	if err != nil {
		return nil, ca.fault(op, plan.CodeCAGarbage, plan.BlameCA, err)
	}
	// The same content keeps its client, and so the nonces it has gathered.
	if old := ca.dir.Load(); old != nil && bytes.Equal(old.body, dir.body) {
		dir.client = old.client
	}
	ca.dir.Store(dir)
	return dir, nil
}

// get fetches an unsigned resource. An answer that is no success is an error.
func (ca *CA) get(ctx context.Context, target string, limit int64) (*answer, error) {
	rec := recordOf(ctx)
	rec.limit = limit
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	resp, err := ca.http.Do(req)
	if err != nil {
		return nil, err
	}
	resp.Body.Close() // it is in memory
	if !rec.ok() {
		return nil, errNotOK
	}
	return rec.last, nil
}

// errNotOK stands for an answer that explain describes from the record.
var errNotOK = errors.New("the CA does not answer with success")

// readDirectory checks a directory and makes a client for it.
func (ca *CA) readDirectory(body []byte) (*directory, error) {
	dir := &directory{body: body, until: time.Now().Add(directoryLife)}
	if err := json.Unmarshal(body, &dir.Directory); err != nil {
		return nil, fmt.Errorf("it is no ACME directory: %w", err)
	}
	for _, e := range []struct {
		name, url string
		needed    bool
	}{
		{"newNonce", dir.NewNonce, true},
		{"newAccount", dir.NewAccount, true},
		{"newOrder", dir.NewOrder, true},
		{"revokeCert", dir.RevokeCert, false},
		{"keyChange", dir.KeyChange, false},
		{"renewalInfo", dir.RenewalInfo, false},
	} {
		if e.url == "" && !e.needed {
			continue
		}
		if err := ca.checkURL(e.url); err != nil {
			return nil, fmt.Errorf("the directory's %s: %w", e.name, err)
		}
	}
	dir.meta = readMeta(dir.Directory)
	return dir, ca.equip(dir)
}

// readMeta makes a CA's words about itself fit to be shown.
func readMeta(d acme.Directory) Meta {
	m := Meta{RenewalInfo: d.RenewalInfo != "", KeyChange: d.KeyChange != ""}
	if d.Meta == nil {
		return m
	}
	m.Terms, m.Website = clean(d.Meta.TermsOfService, maxWords), clean(d.Meta.Website, maxWords)
	m.EABRequired = d.Meta.ExternalAccountRequired
	for _, domain := range d.Meta.CAAIdentities {
		m.CAA = append(m.CAA, clean(domain, maxWords))
	}
	if len(d.Meta.Profiles) > 0 {
		m.Profiles = make(map[string]string)
		for name, words := range d.Meta.Profiles {
			if name == clean(name, maxWords) { // others cannot be asked for, either
				m.Profiles[name] = clean(words, maxWords)
			}
		}
	}
	return m
}

// equip gives a directory its client. The library keeps directories for the
// whole process under a lock that it holds while it fetches one: so it gets
// this one from memory, under a URL that no other content has. Without
// renewalInfo it does not ask for that at each download. (What it keeps is never
// freed: some hundred bytes for each change of a directory.)
func (ca *CA) equip(dir *directory) error {
	served := dir.Directory
	served.RenewalInfo = ""
	body, err := json.Marshal(served)
	if err != nil {
		return fmt.Errorf("encode the directory: %w", err)
	}
	digest := sha256.Sum256(body)
	key := url.URL{Scheme: "https", Host: "directory.certkeep.invalid", Path: "/" + hex.EncodeToString(digest[:])}
	dir.client = &acme.Client{
		Directory:   key.String(),
		UserAgent:   ca.cfg.UserAgent,
		PollTimeout: -1, // never polls: poll.go does
		HTTPClient: &http.Client{
			CheckRedirect: ca.http.CheckRedirect,
			Transport:     &servedDirectory{key: key, body: body, next: ca.http.Transport},
		},
	}
	return nil
}

// servedDirectory answers requests for one URL from memory.
type servedDirectory struct {
	key  url.URL
	body []byte
	next http.RoundTripper
}

// RoundTrip answers, or hands on.
func (s *servedDirectory) RoundTrip(req *http.Request) (*http.Response, error) {
	if *req.URL != s.key {
		return s.next.RoundTrip(req)
	}
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        http.Header{"Content-Type": {"application/json"}},
		Body:          io.NopCloser(bytes.NewReader(s.body)),
		ContentLength: int64(len(s.body)),
		Request:       req,
	}, nil
}

// checkURL refuses URLs that a CA must not send us to.
func (ca *CA) checkURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return fmt.Errorf("%q is no URL", clean(raw, maxWords))
	}
	allowed := []string{"https"}
	if home, err := url.Parse(ca.cfg.Directory); err == nil && home.Scheme == "http" {
		allowed = append(allowed, "http")
	}
	if !slices.Contains(allowed, u.Scheme) {
		return fmt.Errorf("%q is not HTTPS (RFC 8555 section 6.1)", clean(raw, maxWords))
	}
	return nil
}
