package worker

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-56345083/reprise/internal/archive"
	"github.com/seed-56345083/reprise/internal/ledger"
	"github.com/seed-56345083/reprise/internal/stats"
	"github.com/seed-56345083/reprise/queue"
)

// sentinels are all errors of the contracts and of this package, with what each does to a message. unused are those
// that no call of a chunk or a fold returns: they fall under "unknown", which is tried again.
var sentinels = map[string]struct {
	err    error
	want   Verdict
	unused bool
}{
	"queue.ErrStaleReceipt":  {err: queue.ErrStaleReceipt, want: Lost},
	"queue.ErrThrottled":     {err: queue.ErrThrottled, want: Wait},
	"queue.ErrPoison":        {err: queue.ErrPoison, want: Poison},
	"queue.ErrInvalid":       {err: queue.ErrInvalid, want: Retry, unused: true},
	"ledger.ErrNotFound":     {err: ledger.ErrNotFound, want: Retry},
	"ledger.ErrConflict":     {err: ledger.ErrConflict, want: Retry, unused: true},
	"ledger.ErrOwned":        {err: ledger.ErrOwned, want: Wait},
	"ledger.ErrFinished":     {err: ledger.ErrFinished, want: Done},
	"ledger.ErrFailed":       {err: ledger.ErrFailed, want: Retry}, // it failed again right after its redrive
	"ledger.ErrFenced":       {err: ledger.ErrFenced, want: Lost},
	"ledger.ErrHeld":         {err: ledger.ErrHeld, want: Retry, unused: true},
	"ledger.ErrThrottled":    {err: ledger.ErrThrottled, want: Wait},
	"archive.ErrNotFound":    {err: archive.ErrNotFound, want: Poison},
	"archive.ErrChanged":     {err: archive.ErrChanged, want: Poison},
	"archive.ErrCold":        {err: archive.ErrCold, want: Poison},
	"archive.ErrCorrupt":     {err: archive.ErrCorrupt, want: Poison},
	"archive.ErrTooManyTags": {err: archive.ErrTooManyTags, want: Retry, unused: true},
	"archive.ErrExists":      {err: archive.ErrExists, want: Retry, unused: true},
	"archive.ErrThrottled":   {err: archive.ErrThrottled, want: Wait},
	"stats.ErrVersion":       {err: stats.ErrVersion, want: Wait},
	"stats.ErrBlob":          {err: stats.ErrBlob, want: Poison},
	"stats.ErrState":         {err: stats.ErrState, want: Retry, unused: true},
	"worker.errHandOn":       {err: errHandOn, want: HandOn},
	"worker.errStopped":      {err: errStopped, want: Released},
	"worker.errPaused":       {err: errPaused, want: Wait},
	"worker.errOver":         {err: errOver, want: Done},
	"worker.errFolding":      {err: errFolding, want: Wait},
	"worker.errFoldHere":     {err: errFoldHere, want: Wait},
	"worker.errOpenCursor":   {err: errOpenCursor, want: Wait},
	"worker.errOldFold":      {err: errOldFold, want: Done},
	"worker.errNoProgress":   {err: errNoProgress, want: Poison},
	"worker.errBadLines":     {err: errBadLines, want: Poison},
	"worker.errGone":         {err: errGone, want: Done},
	"worker.errOutage":       {err: errOutage, want: Wait},
	"worker.errForeign":      {err: errForeign, want: Poison},
	"worker.errPanic":        {err: errPanic, want: Retry},
	"worker.errTooLong":      {err: errTooLong, want: Retry, unused: true},     // a line's, never a chunk's
	"worker.errTooManyRows":  {err: errTooManyRows, want: Retry, unused: true}, // asks for more passes
	"worker.errStarted":      {err: errStarted, want: Retry, unused: true},     // of Run
}

// TestEverySentinelIsListed reads the sources, so that an error that somebody adds to a contract gets a verdict on
// purpose and not by falling through.
func TestEverySentinelIsListed(t *testing.T) {
	t.Parallel()
	for name, place := range map[string]struct {
		dir string
		all bool // unexported ones too
	}{"queue": {dir: "../queue"}, "ledger": {dir: "../internal/ledger"}, "archive": {dir: "../internal/archive"}, "stats": {dir: "../internal/stats"}, "worker": {".", true}} {
		files, err := filepath.Glob(filepath.Join(place.dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(name, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			for _, v := range errorsOf(t, file) {
				if _, listed := sentinels[name+"."+v]; !listed && (place.all || ast.IsExported(v)) {
					t.Errorf("%s.%s has no verdict in this test: decide what it does to a message", name, v)
				}
			}
		}
	}
}

// errorsOf lists the package-level variables of a file that are made with errors.New.
func errorsOf(t *testing.T, file string) []string {
	t.Helper()
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, source, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range parsed.Decls {
		group, ok := d.(*ast.GenDecl)
		if !ok || group.Tok != token.VAR {
			continue
		}
		for _, s := range group.Specs {
			spec := s.(*ast.ValueSpec) // var groups hold nothing else
			for i, value := range spec.Values {
				if call, ok := value.(*ast.CallExpr); ok {
					if fun, ok := call.Fun.(*ast.SelectorExpr); ok && fun.Sel.Name == "New" && strings.HasPrefix(spec.Names[i].Name[1:], "rr") {
						names = append(names, spec.Names[i].Name)
					}
				}
			}
		}
	}
	return names
}

func TestVerdictOfEverySentinel(t *testing.T) {
	t.Parallel()
	for name, s := range sentinels {
		for how, err := range map[string]error{
			"bare":    s.err,
			"wrapped": fmt.Errorf("committing a: %w", fmt.Errorf("again: %w", s.err)),
			"joined":  errors.Join(io.ErrUnexpectedEOF, s.err),
			"batch":   &queue.BatchError{Errs: map[int]error{3: s.err}},
		} {
			if got := decide(err, 1, 5); got != s.want {
				t.Errorf("%s (%s): %v, want %v", name, how, got, s.want)
			}
		}
	}
	matched := map[error]bool{}
	for _, v := range verdicts {
		matched[v.err] = true
	}
	for name, s := range sentinels {
		if s.unused && matched[s.err] {
			t.Errorf("%s is in the table of verdicts and listed as unused", name)
		}
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	corrupt := &archive.CorruptError{Key: "a", Reason: "cut off"}
	for _, c := range []struct {
		name     string
		err      error
		attempts int
		want     Verdict
	}{
		{"nothing", nil, 0, Done},
		{"nothing at the limit", nil, 5, Done},
		{"unknown", io.ErrUnexpectedEOF, 1, Retry},
		{"unknown, not claimed", io.ErrUnexpectedEOF, 0, Retry},
		{"unknown below the limit", io.ErrUnexpectedEOF, 4, Retry},
		{"unknown at the limit", io.ErrUnexpectedEOF, 5, Poison},
		{"unknown above the limit", io.ErrUnexpectedEOF, 6, Poison},
		{"deadline", context.DeadlineExceeded, 1, Retry},
		{"cancelled", context.Canceled, 1, Retry},
		{"corrupt", fmt.Errorf("x: %w", corrupt), 1, Poison},
		{"fenced and corrupt", errors.Join(corrupt, ledger.ErrFenced), 1, Lost},
		{"fenced, corrupt, at the limit", errors.Join(corrupt, ledger.ErrFenced), 5, Lost},
		{"stale and stopped", errors.Join(errStopped, queue.ErrStaleReceipt), 1, Lost},
		{"stale and at the limit", fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, queue.ErrStaleReceipt), 5, Lost},
		{"stopped and corrupt", errors.Join(corrupt, errStopped), 1, Released},
		{"stopped at the limit", errStopped, 5, Released},
		{"stopped and budget used up", errors.Join(errHandOn, errStopped), 1, Released},
		{"throttled at the limit", archive.ErrThrottled, 5, Wait},
		{"paused at the limit", errPaused, 9, Wait},
		{"throttled and corrupt", errors.Join(corrupt, ledger.ErrThrottled), 1, Wait},
		{"over and poison", errors.Join(queue.ErrPoison, errOver), 1, Done},
		{"of another version, as programs says it", fmt.Errorf("%w: compiling: %w", stats.ErrVersion, io.EOF), 5, Wait},
	} {
		if got := decide(c.err, c.attempts, 5); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	for v := Done; v <= Released; v++ {
		if v.String() == "" {
			t.Errorf("verdict %d has no name", v)
		}
	}
}
