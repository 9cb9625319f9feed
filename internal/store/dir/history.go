package dir

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/certkeep/certkeep/internal/durable"
	"github.com/certkeep/certkeep/internal/store/backend"
)

// maxLine bounds a line of a history.
const maxLine = 64 << 10

// Append implements [backend.Backend].
func (d *Dir) Append(ctx context.Context, key string, line []byte) error {
	loc, err := locate(key, historySuffix)
	if err != nil {
		return err
	}
	if bytes.ContainsRune(line, '\n') || len(line) >= maxLine {
		return fmt.Errorf("append to %s: a line has no line break and is shorter than %d bytes", key, maxLine)
	}
	mu := d.lock(loc)
	mu.Lock()
	defer mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	torn, err := d.torn(loc)
	switch {
	case errors.Is(err, backend.ErrNotFound):
		if err := d.disk.Mkdir(d.folder(loc), durable.PrivateDir()); err != nil {
			return fmt.Errorf("append to %s: %w", key, err)
		}
	case err != nil:
		return fmt.Errorf("append to %s: %w", key, err)
	}
	text := append(slices.Clone(line), '\n')
	if torn {
		text = slices.Insert(text, 0, '\n') // do not continue half a line
	}
	d.names.RLock()
	defer d.names.RUnlock()
	if err := d.disk.Append(d.path(loc), text); err != nil {
		return fmt.Errorf("append to %s: %w", key, err)
	}
	return nil
}

// torn reports whether a history ends within a line, as a crash leaves it.
func (d *Dir) torn(loc location) (bool, error) {
	fd, err := d.openFile(loc)
	if err != nil {
		return false, err
	}
	defer unix.Close(fd)
	var info unix.Stat_t
	if err := unix.Fstat(fd, &info); err != nil || info.Size == 0 {
		return false, err
	}
	var last [1]byte
	if _, err := unix.Pread(fd, last[:], info.Size-1); err != nil {
		return false, err
	}
	return last[0] != '\n', nil
}

// open opens a history for reading.
func (d *Dir) open(loc location) (*os.File, error) {
	fd, err := d.openFile(loc)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), d.path(loc)), nil
}

// Lines implements [backend.Backend].
func (d *Dir) Lines(ctx context.Context, key string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		loc, err := locate(key, historySuffix)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			yield(nil, err)
			return
		}
		f, err := d.open(loc)
		if errors.Is(err, backend.ErrNotFound) {
			return
		}
		if err != nil {
			yield(nil, fmt.Errorf("read %s: %w", key, err))
			return
		}
		defer f.Close() // opened for reading
		info, err := f.Stat()
		if err != nil {
			yield(nil, fmt.Errorf("read %s: %w", key, err))
			return
		}
		for line, err := range lines(f, info.Size()) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				yield(nil, fmt.Errorf("read %s: %w", key, err))
				return
			}
			if !yield(line, nil) {
				return
			}
		}
	}
}

// lines yields the complete lines among the first size bytes of r, without
// their line breaks. A last line without one was torn by a crash, or is being
// written just now.
func lines(r io.Reader, size int64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		buffered := bufio.NewReaderSize(io.LimitReader(r, size), int(min(size+1, maxLine)))
		for {
			line, err := buffered.ReadSlice('\n')
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				yield(nil, err)
				return
			}
			if line = line[:len(line)-1]; len(line) > 0 && !yield(line, nil) {
				return
			}
		}
	}
}

// Trim implements [backend.Backend]. A crash leaves the longer history or
// the shorter one.
func (d *Dir) Trim(ctx context.Context, key string, keep int) error {
	loc, err := locate(key, historySuffix)
	if err != nil {
		return err
	}
	mu := d.lock(loc)
	mu.Lock()
	defer mu.Unlock()
	var kept [][]byte
	dropped := false
	for line, err := range d.Lines(ctx, key) {
		if err != nil {
			return err
		}
		kept = append(kept, slices.Clone(line))
		if len(kept) > keep {
			kept, dropped = kept[1:], true
		}
	}
	switch {
	case keep <= 0:
		err = d.removeHistory(loc)
	case dropped:
		d.names.RLock()
		defer d.names.RUnlock()
		text := append(bytes.Join(kept, []byte("\n")), '\n')
		err = durable.Write(d.disk, d.path(loc), text, durable.Private())
	}
	if err != nil {
		return fmt.Errorf("trim %s: %w", key, err)
	}
	return nil
}

// removeHistory removes a history whole, where there is one.
func (d *Dir) removeHistory(loc location) error {
	f, err := d.open(loc)
	if errors.Is(err, backend.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	f.Close() // opened for reading
	return d.remove(loc)
}
