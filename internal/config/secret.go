package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxSecret bounds what is read as a secret, in bytes.
const maxSecret = 64 << 10

// SecretRef says where a secret is. Exactly one field is set.
type SecretRef struct {
	File       string // absolute path; with #/KEY/KEY, the text at that place of a YAML or JSON file
	Env        string // name of an environment variable
	Credential string // name of a systemd credential
}

// String says where the secret is, never what it is.
func (s SecretRef) String() string {
	switch {
	case s.File != "":
		return "file " + s.File
	case s.Env != "":
		return "environment variable " + s.Env
	case s.Credential != "":
		return "systemd credential " + s.Credential
	}
	return "nowhere"
}

// IsZero reports whether nothing is referred to.
func (s SecretRef) IsZero() bool { return s == SecretRef{} }

// Read reads the secret, without white space around it.
func (s SecretRef) Read() ([]byte, error) {
	value, err := s.read()
	if err != nil {
		return nil, err
	}
	value = bytes.TrimSpace(value)
	if len(value) == 0 {
		return nil, fmt.Errorf("read secret: %s is empty", s)
	}
	return value, nil
}

func (s SecretRef) read() ([]byte, error) {
	switch {
	case strings.Contains(s.File, "#/"):
		return readWithin(s.File)
	case s.File != "":
		return readBounded(s.File, maxSecret)
	case s.Env != "":
		value, ok := os.LookupEnv(s.Env)
		if !ok {
			return nil, fmt.Errorf("read secret: %s is not set", s)
		}
		return []byte(value), nil
	case s.Credential != "":
		dir := os.Getenv("CREDENTIALS_DIRECTORY") // systemd.exec(5)
		if dir == "" {
			return nil, fmt.Errorf("read secret: %s: CREDENTIALS_DIRECTORY is not set; systemd sets it for units with LoadCredential=", s)
		}
		return readBounded(filepath.Join(dir, s.Credential), maxSecret)
	}
	return nil, errors.New("read secret: no source is given")
}

// cause is the error without the path, where the message names it already.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// readBounded reads a regular file of at most limit bytes. A FIFO or a device
// is refused before it can make us wait.
func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, cause(err))
	}
	defer f.Close() // opened for reading: nothing can be lost
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, cause(err))
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: not a regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, cause(err))
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("read %s: larger than %d bytes", path, limit)
	}
	return data, nil
}
