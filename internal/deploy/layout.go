package deploy

import (
	"crypto"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/service"
)

// DefaultBase is where layouts put their folders.
const DefaultBase = "/etc/ssl/certkeep"

// Layout names an arrangement of files.
type Layout string

// The layouts. In the first three NAME is a symlink to a complete folder, so
// that key, certificate and chain are switched by one rename. Beside it lies
// .versions/NAME/, with a folder for the version that is served and for the
// last one before. A folder of another tool that stood at NAME stays beside as
// .NAME.replaced-1. All folders are 0755: the files protect themselves. Beside a
// placeholder lies PlaceholderMark.
const (
	LayoutStandard Layout = "standard" // BASE/NAME/{privkey,cert,chain,fullchain}.pem
	LayoutCertbot  Layout = "certbot"  // BASE/live/NAME/ with the same four
	LayoutNixOS    Layout = "nixos"    // BASE/NAME/{key,cert,chain,fullchain,full}.pem
	LayoutHAProxy  Layout = "haproxy"  // BASE/NAME.pem; with several key types NAME.pem.rsa and NAME.pem.ecdsa
	LayoutFiles    Layout = "files"    // Target.Files
	LayoutNone     Layout = "none"     // nothing: its services read files that others write, and are told
)

// Target is a set of files that is switched together, and who reads them.
type Target struct {
	Cert     string   // the certificate's name
	Name     string   // unique within its certificate
	Layout   Layout   // "" is LayoutFiles where Files are given, else LayoutStandard
	Base     string   // "" is DefaultBase
	Files    []File   // with LayoutFiles
	Owner    string   // of the layout's files; name or number, "" is the running user
	Group    string   // likewise; with a group, private keys are 0640
	KeyTypes []string // the first is the plain one; nil takes those of the content
	// Public is the key of the administrator's CSR where the private key is
	// held elsewhere, else nil.
	Public   crypto.PublicKey
	Services []service.Service
	Suffixes Suffixes
	Params   Params // for parts of this name
	// Passphrase protects private keys in PEM and DER; "" leaves them in the
	// clear. What is read of the target is opened with it.
	Passphrase Password
	KDF        keys.KDF // how; "" is the default
	// Plain are the files of a target that holds nothing of a certificate; its
	// content is not looked at then.
	Plain []Plain
	// Archive is the folder for copies of what is replaced, of an archive by
	// keys; "" keeps them in the state.
	Archive string
}

// Params are the parameters of key exchange that files may hold, in PEM. Nil
// ones are not written.
type Params struct {
	DH []byte
	EC []byte
}

// File is one file of a target of its own making.
type File struct {
	Path    string // absolute; {key_type} or {suffix} makes one file for each key type
	Content []Part
	Mode    fs.FileMode // 0: 0600 with a key in it (0640 with a group), else 0644
	Owner   string
	Group   string
	KeyType string // whose pair, where there is one; "" is the first key type that there is
	Cert    string // of which certificate, in a target of several
	// Password is that of a key store (PKCS#12, JKS).
	Password Password
}

// slot is a file of a target, content aside.
type slot struct {
	name     string // final path
	keyType  string
	cert     string
	parts    []Part
	mode     fs.FileMode // never 0
	explicit bool        // mode was given by the administrator
	owner    string
	group    string
	password Password // of a key store
}

// optional reports whether the file may be missing: nothing need be known of
// what it holds.
func (s slot) optional() bool {
	return !slices.ContainsFunc(s.parts, func(p Part) bool { return p != PartRoot && p != PartDHParams && p != PartECParams && !p.otherKey() })
}

func (s slot) private() bool { return slices.ContainsFunc(s.parts, Part.secret) }

// shape is what a target consists of, content aside.
type shape struct {
	link  string // the symlink that is switched; "" for files on their own
	slots []slot
}

// piece is a file of a folder layout, without its ending.
type piece struct {
	base  string
	parts []Part
}

// fourFiles are the files that certbot made usual.
func fourFiles() []piece {
	return []piece{
		{"privkey", []Part{PartKey}},
		{"cert", []Part{PartCertificate}},
		{"chain", []Part{PartChain}},
		{"fullchain", []Part{PartFullchain}},
	}
}

// nixFiles are the files of NixOS's security.acme.
func nixFiles() []piece {
	return []piece{
		{"key", []Part{PartKey}},
		{"cert", []Part{PartCertificate}},
		{"chain", []Part{PartChain}},
		{"fullchain", []Part{PartFullchain}},
		{"full", []Part{PartKey, PartFullchain}},
	}
}

// plainName is what certificates and targets may be called: it becomes a name
// in a folder.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

// layout is the target's arrangement with its default filled in.
func (t Target) layout() Layout {
	switch {
	case t.Layout != "":
		return t.Layout
	case t.Files != nil:
		return LayoutFiles
	}
	return LayoutStandard
}

func (t Target) base() string {
	if t.Base == "" {
		return DefaultBase
	}
	return t.Base
}

// Lineage is the folder of the target's files where its layout makes one,
// certbot's RENEWED_LINEAGE, else "".
func (t Target) Lineage() string {
	switch t.layout() {
	case LayoutStandard, LayoutNixOS:
		return filepath.Join(t.base(), t.Cert)
	case LayoutCertbot:
		return filepath.Join(t.base(), "live", t.Cert)
	}
	return ""
}

// Paths lists the files of the target as readers open them.
func (t Target) Paths() ([]string, error) {
	s, err := t.shape(t.KeyTypes)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, slot := range s.slots {
		paths = append(paths, slot.name)
	}
	return paths, nil
}

// shape says of which files the target consists for some key types, the first
// of which is the plain one.
func (t Target) shape(keyTypes []string) (shape, error) {
	for _, name := range []string{t.Cert, t.Name} {
		if !plainName.MatchString(name) {
			return shape{}, fmt.Errorf("%q cannot be the name of a folder", name)
		}
	}
	if len(keyTypes) == 0 {
		return shape{}, fmt.Errorf("target %s of %s has no key type", t.Name, t.Cert)
	}
	for _, keyType := range keyTypes {
		// It becomes a part of paths, and may be what a version in the store says.
		if _, err := keys.ParseType(keyType); err != nil {
			return shape{}, err
		}
	}
	var s shape
	var err error
	switch t.layout() {
	case LayoutStandard, LayoutCertbot:
		s = t.folder(fourFiles(), keyTypes)
	case LayoutNixOS:
		s = t.folder(nixFiles(), keyTypes)
	case LayoutHAProxy:
		s.slots, err = t.haproxy(keyTypes)
	case LayoutFiles:
		s.slots, err = t.own(keyTypes)
	case LayoutNone:
	default:
		err = fmt.Errorf("unknown layout %q", t.Layout)
	}
	return s, err
}

// folder is the shape of a layout that keeps a folder for each certificate.
func (t Target) folder(files []piece, keyTypes []string) shape {
	s := shape{link: t.Lineage()}
	add := func(keyType, suffix string) {
		for _, p := range files {
			if t.Public != nil && slices.Contains(p.parts, PartKey) {
				continue // there is no key to write
			}
			f := File{Content: p.parts, Owner: t.Owner, Group: t.Group}
			s.slots = append(s.slots, f.slot(filepath.Join(s.link, p.base+suffix+".pem"), keyType))
		}
	}
	add(keyTypes[0], "")
	if len(keyTypes) > 1 {
		for _, keyType := range keyTypes {
			add(keyType, "."+keyType)
		}
	}
	return s
}

// haproxy is one combined file, or a bundle of them: HAProxy finds .rsa and
// .ecdsa beside the name in its configuration, and no other endings.
func (t Target) haproxy(keyTypes []string) ([]slot, error) {
	var slots []slot
	for _, keyType := range keyTypes {
		path := filepath.Join(t.base(), t.Cert+".pem")
		if len(keyTypes) > 1 {
			kind, _, _ := strings.Cut(keyType, "-")
			path += "." + kind
		}
		if slices.ContainsFunc(slots, func(s slot) bool { return s.name == path }) {
			return nil, fmt.Errorf("HAProxy reads one RSA and one ECDSA certificate beside each other, not two in %s", path)
		}
		f := File{Content: []Part{PartKey, PartFullchain}, Owner: t.Owner, Group: t.Group}
		slots = append(slots, f.slot(path, keyType))
	}
	return slots, nil
}

// What stands in a path for the key type, and for the suffix of its kind.
const (
	keyTypeField = "{key_type}"
	suffixField  = "{suffix}"
)

// Suffixes are what {suffix} stands for, by the kind of key.
type Suffixes struct {
	RSA   string
	ECDSA string
}

// path fills in the path of a file for a key type.
func (s Suffixes) path(pattern, keyType string) string {
	suffix := s.ECDSA
	if strings.HasPrefix(keyType, "rsa-") {
		suffix = s.RSA
	}
	return strings.NewReplacer(keyTypeField, keyType, suffixField, suffix).Replace(pattern)
}

// own is the shape of files that the administrator lists.
func (t Target) own(keyTypes []string) ([]slot, error) {
	var slots []slot
	for _, f := range t.Files {
		if err := f.checkParts(); err != nil {
			return nil, err
		}
		var types []string
		switch {
		case slices.Contains(keyTypes, f.KeyType):
			types = []string{f.KeyType}
		case f.KeyType != "": // there is no such pair now
		case strings.Contains(f.Path, keyTypeField), strings.Contains(f.Path, suffixField):
			types = keyTypes
		default:
			types = keyTypes[:1]
		}
		for _, keyType := range types {
			path := t.Suffixes.path(f.Path, keyType)
			if !filepath.IsAbs(path) || path != filepath.Clean(path) || path == "/" {
				return nil, fmt.Errorf("%q is no absolute path of a file", path)
			}
			if slices.ContainsFunc(slots, func(s slot) bool { return s.name == path }) {
				return nil, fmt.Errorf("%s is listed twice", path)
			}
			slots = append(slots, f.slot(path, keyType))
		}
	}
	if len(slots) == 0 {
		return nil, fmt.Errorf("target %s of %s has no file for a key of type %s", t.Name, t.Cert, strings.Join(keyTypes, ", "))
	}
	return slots, nil
}

// slot fills in the default mode.
func (f File) slot(path, keyType string) slot {
	s := slot{
		name: path, keyType: keyType, cert: f.Cert, parts: f.Content,
		mode: f.Mode.Perm(), explicit: f.Mode != 0, owner: f.Owner, group: f.Group, password: f.Password,
	}
	switch {
	case s.explicit:
	case !s.private():
		s.mode = 0o644
	case s.group != "":
		s.mode = 0o640
	default:
		s.mode = 0o600
	}
	return s
}

// Holds reports whether some file of the target's own list has a part.
func (t Target) Holds(part Part) bool {
	return slices.ContainsFunc(t.Files, func(f File) bool { return slices.Contains(f.Content, part) })
}
