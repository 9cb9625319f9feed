// Package deploy brings a version's files to a target, whole or not at all,
// and tells the services that read them.
//
// New makes a Deployer; call Recover once before anything else, and Batch for
// targets that are to be brought up to date together. What a target is to look
// like (Render) and which operations lead there (Plan) are pure; the Deployer
// does what they say, through durable.Disk alone.
//
// What it promises: before anything is written the key is proven to belong to
// its certificate. Nobody reads half a file; in layouts that keep a folder,
// and in combined files, nobody reads a key beside another certificate. Files
// spread over folders cannot be switched at once: they are staged, journalled
// and switched back to back, and a crash between them is finished or undone
// by Recover. Nothing that Certkeep did not write is destroyed: it is kept in
// the archive. Writing what is there already changes no byte and tells nobody.
// A service that refuses new files gets its old ones back.
//
// Known limits: a reader that opens two files of a folder one after the other
// may meet a switch between them (a service does so only when it is reloaded,
// and reloads follow the switch). A destination folder that others may write
// to is as safe as they are.
package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/plan"
)

// Options are what a Deployer is made of.
type Options struct {
	State string       // state folder: journal/ and archive/ are made in it
	Disk  durable.Disk // nil is the real one

	// Sealer protects the archive's copies of replaced files; nil leaves them
	// as they were.
	Sealer Sealer

	// KeepsOutOf is a user into whose folders nothing is written, and to whom
	// therefore none is given: he whom a helper of root helps. 0 for nobody.
	KeepsOutOf int

	// SystemdDir exists where systemd runs the machine, see sd_booted(3);
	// "" is /run/systemd/system.
	SystemdDir string
}

// Sealer seals files at rest.
type Sealer interface {
	// KeepFile hands content to write, sealed where that is wanted, for the
	// file that is to be at path.
	KeepFile(path string, content []byte, write func([]byte) error) error
	// OpenFile is the content of a file at path that KeepFile was given, also of
	// one that was not sealed then.
	OpenFile(path string, content []byte) ([]byte, error)
}

// unsealed leaves files as they are.
type unsealed struct{}

// KeepFile implements Sealer.
func (unsealed) KeepFile(_ string, content []byte, write func([]byte) error) error {
	return write(content)
}

// OpenFile implements Sealer.
func (unsealed) OpenFile(_ string, content []byte) ([]byte, error) { return content, nil }

// Deployer installs. Its methods may be called at the same time; batches that
// share a target or a service run one after the other, for a service is
// checked as a whole.
type Deployer struct {
	disk    durable.Disk
	state   string
	systemd bool
	sealer  Sealer

	keepsOutOf int // a user, see Options; 0 for nobody

	temps temps
	locks locks // on targets whose files are switched and services that are told
}

// New makes a Deployer. It touches nothing.
func New(o Options) *Deployer {
	if o.Disk == nil {
		o.Disk = durable.OS{}
	}
	if o.SystemdDir == "" {
		o.SystemdDir = "/run/systemd/system"
	}
	if o.Sealer == nil {
		o.Sealer = unsealed{}
	}
	info, err := os.Lstat(o.SystemdDir)
	return &Deployer{disk: o.Disk, state: o.State, sealer: o.Sealer, systemd: err == nil && info.IsDir(), keepsOutOf: o.KeepsOutOf}
}

func (d *Deployer) journalDir() string { return filepath.Join(d.state, "journal") }

func (d *Deployer) archiveDir() string { return filepath.Join(d.state, "archive") }

// lockOf is the name of the lock on a target's files.
func lockOf(cert, target string) string { return "target " + cert + "@" + target }

// folderAttr is for folders that hold installed files: everybody may enter,
// the files protect themselves. So a service that runs without root reads its
// certificate, and its key where a group was given. See folderFor too.
func folderAttr() durable.Attr { return durable.Attr{Mode: 0o755, UID: -1, GID: -1} }

// faultOf turns an error of installing into a fact.
func faultOf(t Target, err error) *plan.Fault {
	f := &plan.Fault{
		Code: plan.CodeDeploy, Blame: plan.BlameAdmin, At: time.Now().UTC(),
		Words: fmt.Sprintf("install %s (target %s): %v", t.Cert, t.Name, explain(err)),
	}
	_, foreign := errors.AsType[*ForeignError](err)
	_, unfit := errors.AsType[*UnfitError](err)
	_, damaged := errors.AsType[*damagedError](err)
	broken, service := errors.AsType[*ServiceError](err)
	switch {
	case service:
		f.Code, f.Detail = broken.code(), broken.Said
	case foreign:
		f.Code = plan.CodeForeignFile
	case damaged:
		f.Code, f.Blame = plan.CodeDamaged, plan.BlameUs
	case unfit:
		// Whoever keeps the version has to make another one.
		f.Code, f.Blame = plan.CodeKeyLost, plan.BlameUs
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT),
		errors.Is(err, syscall.EROFS), errors.Is(err, syscall.EIO):
		f.Code = plan.CodeDisk
	}
	return f
}

// explain adds what to do to errors whose own words do not say it.
func explain(err error) error {
	if errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("%w: mount it writable; where systemd runs Certkeep, name the folder at ReadWritePaths= of the unit", err)
	}
	path, ok := errors.AsType[*fs.PathError](err)
	if !ok || !errors.Is(err, fs.ErrPermission) {
		return err
	}
	if path.Op == "chown" || path.Op == "lchown" {
		return fmt.Errorf("%w: only root may give files to others; run as root, or leave out owner and group", err)
	}
	return fmt.Errorf("%w: run as root, or let this user write there", err)
}
