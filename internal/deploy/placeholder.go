package deploy

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/certkeep/certkeep/internal/chain"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/plan"
)

// PlaceholderVersion is the version of a placeholder's Content.
const PlaceholderVersion = "placeholder"

// PlaceholderMark is a file beside those of a placeholder, in layouts whose folder is
// switched as a whole: it goes by the same rename by which the real files come.
// Web servers look for it to send visitors away meanwhile.
const PlaceholderMark = "placeholder"

// markText is what stands in it.
const markText = "This certificate stands in until a CA has signed one.\n"

// marks is the mark of a placeholder, where the target's shape is a folder.
func (s shape) marks() []Want {
	if s.link == "" {
		return nil
	}
	data := []byte(markText)
	return []Want{{slot: slot{name: filepath.Join(s.link, PlaceholderMark), mode: 0o644}, Data: data, SHA256: digest(data)}}
}

// placeholderLife is long, for an expired placeholder would be one more
// trouble on top of the one that keeps the real certificate away.
const placeholderLife = 90 * 24 * time.Hour

// Vacant reports whether a target may get a placeholder: a service is named,
// and no file is there, or none in which a key or certificate can be read.
// What another tool left is never touched, expired or not; nor is a target
// whose private key is held elsewhere.
func Vacant(t Target) (bool, error) {
	if len(t.Services) == 0 || t.Public != nil {
		return false, nil
	}
	f, err := gather(t)
	if err != nil {
		return false, err
	}
	return len(f.keys) == 0 && len(f.certs) == 0 && !f.taken, nil
}

// Untold reports whether nothing but a placeholder of ours is there, which is not
// the one that was remembered: whoever put it there was killed before its services
// were told, or left that to others. Keys that we may not read are not looked at.
func Untold(t Target, remembered []plan.File) (bool, error) {
	if len(t.Services) == 0 || t.Public != nil {
		return false, nil
	}
	f, err := gather(t)
	if err != nil || len(f.certs) == 0 || !f.standsIn() {
		return false, err
	}
	files, err := t.HookFiles()
	if err != nil {
		return false, err
	}
	for _, file := range files {
		data, _, err := read(file.Path)
		if err != nil {
			continue // it is lacking, or a key
		}
		is := func(r plan.File) bool { return r.Path == file.Path && r.SHA256 == digest(data) }
		if !slices.ContainsFunc(remembered, is) {
			return true, nil
		}
	}
	return false, nil
}

// Lacks reports whether files of a target are missing, and those that are there
// are a placeholder's, if any.
func Lacks(t Target) (bool, error) {
	if t.Public != nil {
		return false, nil
	}
	f, err := gather(t)
	return f.lacks > 0 && !f.taken && f.standsIn() && (len(f.keys) == 0 || len(f.certs) > 0), err
}

// standsIn reports whether no certificate is among the files but placeholders.
func (f findings) standsIn() bool {
	return len(f.closed) == 0 && !slices.ContainsFunc(f.certs, func(c *x509.Certificate) bool { return !isPlaceholder(c) })
}

// PlaceholderFor makes a self-signed content with which the target's services
// can start. Each key type of the target gets a pair; for RSA 2048 bits will
// do. It is told from any other by chain.PlaceholderOrganization in its
// subject, and never adopted. One that is there already, and is good, is kept.
func PlaceholderFor(t Target, names []string, now time.Time) (Content, error) {
	if c, there := placeholderAt(t, names, now); there {
		return c, nil
	}
	made := map[string]crypto.Signer{}
	for _, keyType := range t.KeyTypes {
		kind, err := keys.ParseType(keyType)
		if err != nil {
			return Content{}, fmt.Errorf("make placeholder: %w", err)
		}
		if strings.HasPrefix(keyType, "rsa-") {
			kind = keys.RSA2048
		}
		if made[keyType], err = keys.Generate(kind); err != nil {
			return Content{}, fmt.Errorf("make placeholder: %w", err)
		}
	}
	return PlaceholderOn(made, names, now)
}

// PlaceholderOn makes such a content on keys that are there, by their types.
func PlaceholderOn(with map[string]crypto.Signer, names []string, now time.Time) (Content, error) {
	c := Content{Version: PlaceholderVersion}
	for _, keyType := range slices.Sorted(maps.Keys(with)) {
		text, err := keys.Marshal(with[keyType])
		if err != nil {
			return Content{}, fmt.Errorf("make placeholder: %w", err)
		}
		leaf, err := chain.SelfSigned(with[keyType], names, now, placeholderLife)
		if err != nil {
			return Content{}, fmt.Errorf("make placeholder: %w", err)
		}
		c.Pairs = append(c.Pairs, Pair{KeyType: keyType, Key: text, Leaf: leaf, Root: leaf})
	}
	return c, nil
}

// placeholderAt is the placeholder that stands at a target, with all that it needs.
func placeholderAt(t Target, names []string, now time.Time) (Content, bool) {
	f, err := gather(t)
	if err != nil || len(f.odd) > 0 || !f.standsIn() {
		return Content{}, false
	}
	c := Content{Version: PlaceholderVersion}
	for _, keyType := range t.KeyTypes {
		i := slices.IndexFunc(f.certs, func(cert *x509.Certificate) bool {
			kind, err := keys.TypeOf(cert.PublicKey)
			return err == nil && (string(kind) == keyType || kind == keys.RSA2048 && strings.HasPrefix(keyType, "rsa-")) &&
				usable(chain.Chain{Certs: []*x509.Certificate{cert}}, names, now) == nil
		})
		if i < 0 {
			return Content{}, false
		}
		key, fits := f.keyOf(t, f.certs[i])
		if !fits {
			return Content{}, false
		}
		leaf := chain.Chain{Certs: f.certs[i : i+1]}.LeafPEM()
		c.Pairs = append(c.Pairs, Pair{KeyType: keyType, Key: key, Leaf: leaf, Root: leaf})
	}
	return c, len(c.Pairs) > 0
}

// isPlaceholder reports whether we made a certificate as a placeholder.
func isPlaceholder(cert *x509.Certificate) bool {
	return selfSigned(cert) && slices.Contains(cert.Subject.Organization, chain.PlaceholderOrganization)
}

// mayStandIn refuses a placeholder where a certificate is installed: whoever asks
// for it does not see that, or means ill.
func mayStandIn(t Target) error {
	if t.Plain != nil {
		return nil // of files that say something of a certificate those that are missing are made
	}
	f, err := gather(t)
	if err != nil {
		return err
	}
	if !f.standsIn() {
		return errors.New("a certificate is there, and no placeholder takes its place")
	}
	return nil
}

// served says whether what stands at a target could be served: some pair is
// there that belongs together and is more than our placeholder (worked), and
// no file is missing, be they a placeholder's (complete). What is half there,
// or does not fit, never worked.
func served(t Target) (worked, complete bool, err error) {
	if t.Plain != nil {
		worked, err = t.plainServed()
		return worked, worked, err
	}
	f, err := gather(t)
	if err != nil {
		return false, false, err
	}
	for _, cert := range f.certs {
		_, fits := f.keyOf(t, cert)
		fits = fits || len(f.keys) == 0 // files without keys, whose fit shows elsewhere
		complete = complete || fits
		worked = worked || fits && !isPlaceholder(cert)
	}
	if len(f.certs) == 0 && len(f.closed) > 0 {
		worked, complete = true, true // nobody can tell otherwise
	}
	whole := f.lacks == 0 && len(f.odd) == 0
	return worked && whole, complete && whole, nil
}
