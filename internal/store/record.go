package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/certkeep/certkeep/internal/store/backend"
)

// header is the first field of every record.
type header struct {
	Format int `json:"format"`
}

// format is the record's format as it was read.
func (h *header) format() int { return h.Format }

// current sets the format that this program writes.
func (h *header) current() { h.Format = Format }

// record is a pointer to a struct that embeds header.
type record interface {
	format() int
	current()
}

// encode writes a record as one line of JSON.
func encode(key string, record any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(record); err != nil {
		return nil, fmt.Errorf("encode record %s: %w", key, err)
	}
	return b.Bytes(), nil
}

// decode reads a record. What is not understood is a *DamagedError, unless
// its format says that a later Certkeep wrote it: then it is a *NewerError.
func decode(key string, value []byte, into record) error {
	return judge(key, into, json.Unmarshal(value, into))
}

// judge says what the error of decoding a record means.
func judge(key string, into record, err error) error {
	switch {
	case into.format() > Format:
		return &NewerError{Key: key, Format: into.format()}
	case err != nil:
		return &DamagedError{Key: key, Err: err}
	case into.format() < 1:
		return &DamagedError{Key: key, Err: errors.New("it has no format")}
	}
	return nil
}

// foreign is the damage of a record that says to be another one, as after a
// backup that was restored by hand.
func foreign(key, says string) error {
	return &DamagedError{Key: key, Err: fmt.Errorf("it says to be that of %q", says)}
}

// lost reports whether a record's damage loses only facts that can be found
// again, so that an update may begin anew. A record of a newer format is not
// damaged.
func lost(err error) bool {
	_, damaged := errors.AsType[*DamagedError](err)
	return damaged
}

// change describes how one record is updated.
type change[R record] struct {
	key   string
	fresh func() R      // the record of which nothing is known
	check func(R) error // says whether what was read belongs here; may be nil
	apply func(R) error // the change itself
	// decode reads the record into a zero one, more quickly than the package
	// function does; may be nil.
	decode  func(value []byte) (R, error)
	rebuild bool // a damaged record is replaced rather than reported
}

// update reads a record, applies the change, and writes it if nobody changed
// it meanwhile; else it begins again, until ctx ends. Somebody else's change
// is what makes it begin again, so all together always come further.
func update[R record](ctx context.Context, s *Store, c change[R]) error {
	if err := s.writable(); err != nil {
		return err
	}
	for {
		r, before, err := load(ctx, s, c)
		if err != nil {
			return err
		}
		if err := c.apply(r); err != nil {
			return err
		}
		r.current()
		value, err := encode(c.key, r)
		if err != nil {
			return err
		}
		if bytes.Equal(value, before.Value) {
			return nil
		}
		err = s.putValue(ctx, c.key, value, before.Revision)
		if !errors.Is(err, backend.ErrConflict) {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// load reads the record to change. Where there is none, the entry carries the
// encoding of the fresh one: writing just that would say nothing new.
func load[R record](ctx context.Context, s *Store, c change[R]) (R, backend.Entry, error) {
	r := c.fresh()
	entry, err := s.backend.Get(ctx, c.key)
	if errors.Is(err, ErrNotFound) {
		r.current()
		entry.Value, err = encode(c.key, r)
		return r, entry, err
	}
	if err != nil {
		return r, entry, err
	}
	if c.decode != nil {
		r, err = c.decode(entry.Value)
		err = judge(c.key, r, err)
	} else {
		err = decode(c.key, entry.Value, r)
	}
	if err == nil && c.check != nil {
		err = c.check(r)
	}
	if c.rebuild && lost(err) {
		return c.fresh(), entry, nil
	}
	return r, entry, err
}
