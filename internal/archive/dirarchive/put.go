package dirarchive

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/seed-56345083/reprise/internal/archive"
)

// PutParams say what to write.
type PutParams struct {
	Key         string
	Body        io.Reader
	IfNoneMatch bool // refuse with fs.ErrExist when the key is taken
	NoSync      bool // leave it to the system when the bytes reach the disk
}

// Create implements [archive.Archive]: a temporary file that is linked to its name, which fails where the name is taken.
// The object and all directories that lead to it are on the disk when it returns, also with ErrExists: the one who made
// them may have died before.
func (a *Archive) Create(ctx context.Context, key string, body []byte) error {
	_, err := a.put(ctx, PutParams{Key: key, Body: bytes.NewReader(body), IfNoneMatch: true})
	if err == nil || errors.Is(err, fs.ErrExist) {
		err = errors.Join(a.taken(ctx, key, err), a.syncPath(key))
	}
	if err != nil {
		return fmt.Errorf("creating %s: %w", key, err)
	}
	return nil
}

// taken says what stands where an object was to be created; nil stays nil.
func (a *Archive) taken(ctx context.Context, key string, err error) error {
	if err == nil {
		return nil
	}
	switch _, e := a.stat(ctx, key); {
	case errors.Is(e, archive.ErrNotFound):
		return fmt.Errorf("a directory, or something else that is no file, has its name: move that away (%w)", err)
	case e != nil:
		return e
	default:
		return archive.ErrExists
	}
}

// syncPath makes the name of a file and those of all directories above it durable.
func (a *Archive) syncPath(key string) error {
	name, err := path(key)
	if err != nil {
		return err
	}
	for dir := filepath.Dir(name); ; dir = filepath.Dir(dir) {
		if err := a.syncDir(dir); err != nil {
			return err
		}
		if dir == "." {
			return nil
		}
	}
}

// Put writes an object, whole or not at all: readers see the old version or the new one. It is on the disk when Put
// returns, unless NoSync. It is not part of the contract: nothing of the product replaces an object.
func (a *Archive) Put(ctx context.Context, p PutParams) (archive.Object, error) {
	o, err := a.put(ctx, p)
	if err != nil {
		return archive.Object{}, fmt.Errorf("writing %s: %w", p.Key, err)
	}
	return o, nil
}

func (a *Archive) put(ctx context.Context, p PutParams) (_ archive.Object, err error) {
	name, err := path(p.Key)
	if err != nil {
		return archive.Object{}, err
	}
	dir := filepath.Dir(name)
	if err := a.root.MkdirAll(dir, 0o755); err != nil {
		return archive.Object{}, err
	}
	tmp := filepath.Join(dir, tmpPrefix+rand.Text())
	f, err := a.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return archive.Object{}, err
	}
	defer func() {
		if rerr := a.root.Remove(tmp); !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
	}()
	if err := errors.Join(write(ctx, f, p), f.Close()); err != nil {
		return archive.Object{}, err
	}
	if err := a.stamp(tmp, name); err != nil {
		return archive.Object{}, err
	}
	if p.IfNoneMatch {
		err = a.root.Link(tmp, name) // unlike Rename it fails when the name is taken
	} else {
		err = a.root.Rename(tmp, name)
	}
	if err != nil {
		return archive.Object{}, err
	}
	if !p.NoSync {
		if err := a.syncDir(dir); err != nil {
			return archive.Object{}, err
		}
	}
	return a.stat(ctx, p.Key)
}

func write(ctx context.Context, f *os.File, p PutParams) error {
	if _, err := io.Copy(f, &cancellable{ctx, p.Body}); err != nil {
		return err
	}
	if p.NoSync {
		return nil
	}
	return f.Sync()
}

// stamp gives a version a time that the one before it did not have. The file system's own clock stands still for
// milliseconds, and a deleted file's inode is given out again at once: two versions could have the same ETag.
func (a *Archive) stamp(tmp, name string) error {
	at := time.Now()
	if old, err := a.root.Stat(name); err == nil && !old.ModTime().Before(at) {
		at = old.ModTime().Add(time.Microsecond)
	}
	return a.root.Chtimes(tmp, at, at)
}

// syncDir makes a new name durable.
func (a *Archive) syncDir(dir string) error {
	d, err := a.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// cancellable ends a copy when its context ends.
type cancellable struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancellable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
