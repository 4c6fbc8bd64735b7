package dirarchive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/sqlitedb"
)

// Options name the two places of an archive.
type Options struct {
	Root string // directory of the objects; must exist
	Tags string // SQLite file of the tags, made when missing; not below Root, where it would be an object
}

// Archive is a directory of log objects. Any number of goroutines and processes may use one.
type Archive struct {
	root *os.Root
	tags *sqlitedb.DB
}

var _ archive.Archive = (*Archive)(nil)

// New opens an archive; Close gives it back.
func New(ctx context.Context, o Options) (*Archive, error) {
	if err := checkPlaces(o); err != nil {
		return nil, err
	}
	switch info, err := os.Stat(o.Root); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("archive directory %s does not exist: create it, or configure the directory that holds the logs", o.Root)
	case err == nil && !info.IsDir():
		return nil, fmt.Errorf("archive directory %s is a file: configure the directory that holds the logs", o.Root)
	}
	root, err := os.OpenRoot(o.Root)
	if err != nil {
		return nil, fmt.Errorf("opening archive directory %s: %w", o.Root, err)
	}
	tags, err := sqlitedb.Open(ctx, o.Tags, migrations)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the tags of archive %s: %w", o.Root, err), root.Close())
	}
	return &Archive{root: root, tags: tags}, nil
}

// checkPlaces refuses a tags file that a listing would find.
func checkPlaces(o Options) error {
	if o.Root == "" || o.Tags == "" {
		return fmt.Errorf("an archive needs a directory (%q) and a file for its tags (%q)", o.Root, o.Tags)
	}
	root, err := filepath.Abs(o.Root)
	if err != nil {
		return err
	}
	tags, err := filepath.Abs(o.Tags)
	if err != nil {
		return err
	}
	if rel, err := filepath.Rel(root, tags); err == nil && filepath.IsLocal(rel) {
		return fmt.Errorf("the tags file %s lies below the archive directory %s, where it would be taken for an object: put it elsewhere", o.Tags, o.Root)
	}
	return nil
}

// Close gives the directory and the tags back. Bodies that are open stay readable.
func (a *Archive) Close() error { return errors.Join(a.root.Close(), a.tags.Close()) }

// Stat implements [archive.Archive].
func (a *Archive) Stat(ctx context.Context, key string) (archive.Object, error) {
	o, err := a.stat(ctx, key)
	if err != nil {
		return archive.Object{}, fmt.Errorf("looking at %s: %w", key, err)
	}
	return o, nil
}

func (a *Archive) stat(ctx context.Context, key string) (archive.Object, error) {
	if err := ctx.Err(); err != nil {
		return archive.Object{}, err
	}
	name, err := path(key)
	if err != nil {
		return archive.Object{}, fmt.Errorf("%w: %w", archive.ErrNotFound, err)
	}
	info, err := a.root.Stat(name)
	if err != nil {
		return archive.Object{}, notFound(err)
	}
	return object(key, info)
}

// Open implements [archive.Archive].
func (a *Archive) Open(ctx context.Context, p archive.OpenParams) (io.ReadCloser, error) {
	b, err := a.open(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", p.Key, err)
	}
	return b, nil
}

func (a *Archive) open(ctx context.Context, p archive.OpenParams) (*body, error) {
	// Looking first keeps a pipe under that name from holding Open up for ever.
	if _, err := a.stat(ctx, p.Key); err != nil {
		return nil, err
	}
	name, err := path(p.Key)
	if err != nil {
		return nil, err
	}
	f, err := a.root.Open(name)
	if err != nil {
		return nil, notFound(err)
	}
	b := &body{ctx: ctx, f: f}
	if err := b.begin(p); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return b, nil
}

// notFound maps what a file system says when there is no such object. A piece too long for it names none either.
func notFound(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG) {
		return archive.ErrNotFound
	}
	return err
}

// object tells of a file; what is no regular file is no object.
func object(key string, info fs.FileInfo) (archive.Object, error) {
	if !info.Mode().IsRegular() {
		return archive.Object{}, archive.ErrNotFound
	}
	return archive.Object{Key: key, Size: info.Size(), ETag: etag(info), Modified: info.ModTime()}, nil
}

// etag changes with every write that the file system shows: in place (time, size) or by replacement (inode).
func etag(info fs.FileInfo) string {
	return strconv.FormatInt(info.Size(), 16) + "-" + strconv.FormatInt(info.ModTime().UnixNano(), 16) + "-" + strconv.FormatUint(inode(info), 16)
}

// tmpPrefix begins the name of a file that is still being written.
const tmpPrefix = ".reprise-tmp-"

// maxKey is the longest key, in bytes, as in S3.
const maxKey = 1024

// path turns a key into a path below the root. The root would keep a bad path inside as well; here it gets an error
// that says what is wrong with it, and keys mean the same on every system.
func path(key string) (string, error) {
	switch {
	case key == "":
		return "", errors.New("a key must not be empty")
	case len(key) > maxKey:
		return "", fmt.Errorf("key %.40q… is longer than %d bytes", key, maxKey)
	case strings.HasPrefix(key, "/"):
		return "", fmt.Errorf("key %q begins with '/': keys are relative to the archive directory", key)
	}
	last := ""
	for piece := range strings.SplitSeq(key, "/") {
		switch piece {
		case "":
			return "", fmt.Errorf("key %q has an empty piece, which a directory cannot hold", key)
		case ".", "..":
			return "", fmt.Errorf("key %q has a piece %q, which a directory cannot hold", key, piece)
		}
		last = piece
	}
	if strings.HasPrefix(last, tmpPrefix) {
		return "", fmt.Errorf("key %q is the name of an unfinished write", key)
	}
	name, err := filepath.Localize(key)
	if err != nil {
		return "", fmt.Errorf("key %q cannot be a path: it holds NUL, is not UTF-8, or is reserved by the system", key)
	}
	return name, nil
}
