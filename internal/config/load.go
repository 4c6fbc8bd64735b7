package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// maxFile is the largest file that is read, in bytes: far above any real one, far below what hurts.
const maxFile = 4 << 20

// Load reads the file at path, lets the REPRISE_… variables of env (as os.Environ gives them) win over it, then the
// overrides, in their order, and validates the result. An empty path is that of REPRISE_CONFIG, or FileName in the
// working folder; where no path is given the text of REPRISE_CONFIG_YAML stands for the file. Relative paths of the file are made relative to its folder; those of variables and overrides are
// left as they are. Whatever is wrong with the file or the variables is Errors; a file that cannot be read is the
// error of the file system, with what to do.
func Load(path string, env []string, overrides ...func(*Config)) (Config, error) {
	vars := variables(env)
	if text := vars[variableText]; text != "" && path == "" {
		if vars[variableFile] != "" {
			return Config{}, Errors{{Variable: variableText, Text: "is set, and so is " + variableFile + "; unset one of them"}}
		}
		return parse(variableText, []byte(text), vars, overrides...)
	}
	path = cmp.Or(path, vars[variableFile], FileName)
	text, err := readFile(path)
	if err != nil {
		return Config{}, err
	}
	return parse(path, text, vars, overrides...)
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("reading the config: %w; `reprise init` writes a sample, --config names another file", err)
	case err != nil:
		return nil, fmt.Errorf("reading the config: %w", err)
	case info.Size() > maxFile:
		return nil, fmt.Errorf("reading the config: %s has %d bytes, more than %d; it is no config file", path, info.Size(), maxFile)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the config: %w", err)
	}
	return text, nil
}

// parse is Load without the file system.
func parse(path string, text []byte, vars map[string]string, overrides ...func(*Config)) (Config, error) {
	c := Default()
	c.src = newSource(path, text)
	d := &decoder{src: c.src}
	d.file(text, &c)
	c.Local.Dir = c.src.resolve(c.Local.Dir)
	c.Local.Archive = c.src.resolve(c.Local.Archive)
	d.environment(vars, &c)
	if err := sorted(d.errs); err != nil {
		return Config{}, err // a half-read config would only give errors that follow from these
	}
	for _, o := range overrides {
		o(&c)
	}
	if c.Worker.ChunkTime == 0 && !c.src.isSet("worker.chunk_time") {
		c.Worker.ChunkTime = c.Worker.VisibilityTimeout
	}
	if c.Local.Archive == "" {
		c.Local.Archive = filepath.Join(c.Local.Dir, "archive")
	}
	c.Watcher = c.Watcher.orDefault(c.Backend, c.src)
	if err := c.Validate(); err != nil {
		return Config{}, err
	}
	return c, nil
}

// orDefault fills in what the file leaves out. SQLite's counts are exact and looks at it are cheap, so a local watcher
// looks often and finds lost work soon; with AWS each look costs money, and counts are approximate for a minute.
func (w Watcher) orDefault(backend string, src *source) Watcher {
	interval, stuckAfter := 500*time.Millisecond, 10*time.Second
	if backend == BackendAWS {
		interval, stuckAfter = 15*time.Second, 3*time.Minute
	}
	if w.Interval == 0 && !src.isSet("watcher.interval") {
		w.Interval = interval
	}
	if w.StuckAfter == 0 && !src.isSet("watcher.stuck_after") {
		w.StuckAfter = stuckAfter
	}
	return w
}

// sorted puts errors in the order of the file, those without a place first; nil for none.
func sorted(errs Errors) error {
	if len(errs) == 0 {
		return nil
	}
	slices.SortStableFunc(errs, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return errs
}
