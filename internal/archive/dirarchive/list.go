package dirarchive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/seed-56345083/reprise/internal/archive"
)

// List implements [archive.Archive]. Only directories that may hold keys in the range are read. A link to a directory
// and a link that leads out of the archive are errors: to pass over them would lose lines in silence.
func (a *Archive) List(ctx context.Context, prefix, after string) iter.Seq2[archive.Object, error] {
	return func(yield func(archive.Object, error) bool) {
		w := &walk{ctx: ctx, top: a.root, prefix: prefix, after: after, yield: yield}
		dir := prefix[:strings.LastIndexByte(prefix, '/')+1]
		name := "."
		if dir != "" {
			var err error
			if name, err = path(strings.TrimSuffix(dir, "/")); err != nil {
				return // no key of a directory begins like that
			}
		}
		if err := w.enter(a.root, name, dir); err != nil && !errors.Is(err, errStop) {
			yield(archive.Object{}, fmt.Errorf("listing %q: %w", prefix, err))
		}
	}
}

// errStop says that the caller of List has seen enough.
var errStop = errors.New("stop")

// walk is one listing.
type walk struct {
	ctx           context.Context
	top           *os.Root
	prefix, after string
	yield         func(archive.Object, error) bool
}

// enter walks the directory of that name in parent, whose keys begin with dir ("" or ending in '/').
func (w *walk) enter(parent *os.Root, name, dir string) error {
	root, err := parent.OpenRoot(name)
	if err != nil {
		if name != "." && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)) {
			return nil // removed meanwhile, or a prefix that names no directory
		}
		return fmt.Errorf("directory %q: %w", dir, err)
	}
	defer func() { _ = root.Close() }()
	names, err := w.names(root, dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		key := dir + name
		if sub, ok := strings.CutSuffix(name, "/"); ok {
			err = w.enter(root, sub, key)
		} else {
			err = w.file(root, name, key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// names reads a directory: the names that may lead to keys in the range, directories with a '/', in key order.
func (w *walk) names(root *os.Root, dir string) ([]string, error) {
	f, err := root.Open(".")
	if err != nil {
		return nil, fmt.Errorf("directory %q: %w", dir, err)
	}
	defer func() { _ = f.Close() }()
	var names []string
	for {
		entries, err := f.ReadDir(1024)
		for _, e := range entries {
			name := e.Name()
			switch {
			case e.IsDir():
				name += "/"
			case !e.Type().IsRegular() && e.Type() != fs.ModeSymlink, strings.HasPrefix(name, tmpPrefix):
				continue
			}
			if w.wanted(dir + name) {
				names = append(names, name)
			}
		}
		switch {
		case err == io.EOF, errors.Is(err, fs.ErrNotExist): // the second: removed meanwhile
			slices.Sort(names)
			return names, nil
		case err != nil:
			return nil, fmt.Errorf("directory %q: %w", dir, err)
		}
	}
}

// wanted tells whether a key, or some key below a directory's, is in the range.
func (w *walk) wanted(key string) bool {
	if strings.HasSuffix(key, "/") {
		below := strings.HasPrefix(key, w.prefix) || strings.HasPrefix(w.prefix, key)
		return below && (key > w.after || strings.HasPrefix(w.after, key))
	}
	return strings.HasPrefix(key, w.prefix) && key > w.after
}

func (w *walk) file(root *os.Root, name, key string) error {
	info, err := root.Lstat(name)
	if err == nil && info.Mode().Type() == fs.ModeSymlink {
		info, err = w.follow(key)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil // removed meanwhile
	}
	if err != nil {
		return fmt.Errorf("file %q: %w", key, err)
	}
	o, err := object(key, info)
	if err != nil {
		return nil // no longer a regular file
	}
	if !utf8.ValidString(key) || len(key) > maxKey {
		return fmt.Errorf("file %q cannot be an object: a key is UTF-8 and at most %d bytes; rename it", key, maxKey)
	}
	if !w.yield(o, nil) {
		return errStop
	}
	return nil
}

// follow looks at what a link leads to, from the top: from its own directory it could not lead to a sibling.
func (w *walk) follow(key string) (fs.FileInfo, error) {
	name, err := path(key)
	if err != nil {
		return nil, err
	}
	info, err := w.top.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, errors.New("a link to a directory is not followed: move the directory here, or mount it")
	}
	return info, nil
}
