package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/seal"
)

// archiveFolder is where the installer keeps copies of files that it replaced,
// below the state folder. There are private keys among them.
const archiveFolder = "archive"

// KeepFile hands the content of a file to write, sealed where the store is
// sealed; path is where in the state folder it is to be. Until write returns,
// nobody seals the archive anew. What lies outside the state folder is not sealed.
func (s *Store) KeepFile(path string, content []byte, write func([]byte) error) error {
	below, err := filepath.Rel(s.path, path)
	if err != nil {
		return err
	}
	if !filepath.IsLocal(below) {
		return write(content) // it is kept elsewhere, where a change of keys does not reach it
	}
	s.vault.writing.RLock()
	defer s.vault.writing.RUnlock()
	if ring := s.vault.sealing(); ring.First() != "" {
		if content, err = s.vault.sealFile(ring, content, filePlace(filepath.ToSlash(below))); err != nil {
			return fmt.Errorf("seal %s: %w", path, err)
		}
	}
	return write(content)
}

// OpenFile is the content of a file of the state folder that KeepFile was given
// to keep, or a record that was put aside. One that is not sealed is returned as
// it is.
func (s *Store) OpenFile(path string, content []byte) ([]byte, error) {
	if !seal.IsFile(content) {
		return content, nil
	}
	below, err := filepath.Rel(s.path, path)
	if err != nil {
		return nil, err
	}
	sealed, err := seal.ParseFile(content)
	if err == nil {
		content, err = s.vault.unseal(func(r seal.Ring) ([]byte, error) { return r.Open(sealed, filePlace(filepath.ToSlash(below))) })
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return content, nil
}

// archived lists the files of the archive, by their paths below the state
// folder.
func (s *Store) archived() ([]string, error) {
	var files []string
	err := filepath.WalkDir(filepath.Join(s.path, archiveFolder), func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // pruned meanwhile, or none yet
		}
		if err != nil || !entry.Type().IsRegular() || durable.IsTemp(entry.Name()) {
			return err
		}
		below, err := filepath.Rel(s.path, path)
		files = append(files, filepath.ToSlash(below))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the archive: %w", err)
	}
	return files, nil
}

// readArchived reads a file of the archive; one that is gone is ErrNotFound.
func (s *Store) readArchived(below string) ([]byte, error) {
	text, err := os.ReadFile(filepath.Join(s.path, filepath.FromSlash(below)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotFound
	}
	return text, err
}

// sealArchived brings a file of the archive under the key that seals now.
func (s *Store) sealArchived(p place) (changed bool, err error) {
	s.vault.writing.Lock() // no copy is seen before it is whole
	defer s.vault.writing.Unlock()
	text, err := s.readArchived(p.file)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	fresh, err := s.vault.renewFile(text, filePlace(p.file))
	if err != nil {
		return false, &staysError{place: p, err: err, inClear: !seal.IsFile(text)}
	}
	if bytes.Equal(fresh, text) {
		return false, nil
	}
	err = durable.Write(s.disk, filepath.Join(s.path, filepath.FromSlash(p.file)), fresh, durable.Private())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // its folder was pruned meanwhile
	}
	return err == nil, err
}

// sweepArchive removes the temporaries that a process which died left in the
// archive.
func (f folder) sweepArchive() error {
	if err := durable.RemoveTemps(f.disk, filepath.Join(f.path, archiveFolder)); err != nil {
		return f.unusable(err)
	}
	return nil
}
