package engine

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/certkeep/certkeep/internal/deploy"
	"github.com/certkeep/certkeep/internal/keys"
	"github.com/certkeep/certkeep/internal/ocsp"
	"github.com/certkeep/certkeep/internal/plan"
)

// spareStaples puts a response that claims nothing where a server would look for
// that of a certificate, and finds no file: nginx does not start without one.
// It comes before the placeholder, with which services are tested. Files that are
// there stay. No fact tells of it: the first real response takes its place.
func (w *worker) spareStaples(ctx context.Context) *plan.Fault {
	cert := w.parts.cfg.Certificate(w.want.Name)
	if cert == nil || cert.OCSP == nil || !cert.OCSP.On {
		return nil
	}
	job := w.spareStapleJob()
	if len(job.Target.Plain) == 0 {
		return nil
	}
	return w.engine.installs.install(ctx, w.parts.places, job).Fault
}

// spareStapleJob is the installation of what stands in for staples.
func (w *worker) spareStapleJob() deploy.Job {
	cert := w.parts.cfg.Certificate(w.want.Name)
	var files []deploy.Plain
	for _, keyType := range w.want.KeyTypes {
		path := w.parts.cfg.OCSPFile(cert, keys.Type(keyType))
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			files = append(files, plain(cert, cert.OCSP.Attributes, path, ocsp.TryLater()))
		}
	}
	return deploy.Job{
		Target:  deploy.Target{Cert: cert.Name, Name: plan.CompanionOCSP, Plain: files},
		Content: deploy.Content{Version: deploy.PlaceholderVersion}, Spare: true,
	}
}

// spareFiles are the files of a companion as spareStaples wrote them, of which
// nobody needs a copy once a response takes their place.
func spareFiles(companion string, files []deploy.Plain) []plan.File {
	if companion != plan.CompanionOCSP {
		return nil
	}
	var spare []plan.File
	for _, f := range files {
		spare = append(spare, plan.File{Path: f.Path, SHA256: sha256Hex(ocsp.TryLater()), Size: int64(len(ocsp.TryLater()))})
	}
	return spare
}
