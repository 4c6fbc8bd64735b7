package cmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/seed-56345083/reprise/internal/app"
	"github.com/seed-56345083/reprise/internal/config"
	"github.com/seed-56345083/reprise/internal/ledger"
)

var errCheck = errors.New("a check did not hold")

// errNoReplay says that there is no replay to tell of.
var errNoReplay = fmt.Errorf("%w: there is no replay yet; reprise start makes one", app.ErrUsage)

// load reads the configuration.
func (e *environment) load() (config.Config, error) {
	c, err := config.Load(e.commands.Config, os.Environ())
	if err != nil {
		return c, configError{err}
	}
	if speaksTLS(c) {
		trust()
	}
	return c, nil
}

// configError marks what is wrong with the configuration, for the exit code; its text has the place.
type configError struct{ error }

func (e configError) Unwrap() error { return e.error }

// open reads the configuration and opens the backend, for as long as the command runs. level is the least that is logged
// where no flag says otherwise.
func (e *environment) open(level zapcore.Level) (*app.App, error) {
	c, err := e.load()
	if err != nil {
		return nil, err
	}
	log, err := e.logger(level)
	if err != nil {
		return nil, err
	}
	if e.app, err = app.Open(e, c, version, log); err != nil {
		return nil, err
	}
	return e.app, nil
}

// openReplay is open for the commands about one replay: the one that is named, or the newest.
func (e *environment) openReplay(id string) (*app.App, string, error) {
	a, err := e.open(zapcore.WarnLevel)
	if err != nil {
		return nil, "", err
	}
	id, err = newest(e, a, id)
	return a, id, err
}

// newest checks the replay that is named; where none is, the newest one is meant.
func newest(e *environment, a *app.App, id string) (string, error) {
	if id != "" {
		_, err := a.Ledger().Replay(e, id)
		if errors.Is(err, ledger.ErrNotFound) {
			return "", fmt.Errorf("%w: there is no replay %s; reprise list names them", app.ErrUsage, id)
		}
		return id, err
	}
	replays, err := a.Ledger().Replays(e)
	if err != nil {
		return "", fmt.Errorf("reading the replays: %w", err)
	}
	if len(replays) == 0 {
		return "", errNoReplay
	}
	return replays[0].ID, nil
}

// logger writes to standard error: for people on a terminal, otherwise JSON.
func (e *environment) logger(level zapcore.Level) (*zap.Logger, error) {
	if name := e.commands.LogLevel; name != "" {
		var err error
		if level, err = zapcore.ParseLevel(name); err != nil {
			return nil, fmt.Errorf("%w: %w", app.ErrUsage, err)
		}
	}
	encoding := zap.NewProductionEncoderConfig()
	encoding.TimeKey, encoding.EncodeTime = "time", zapcore.RFC3339NanoTimeEncoder
	encoding.EncodeDuration = zapcore.StringDurationEncoder
	encoder := zapcore.NewJSONEncoder(encoding)
	if isTerminal(e.err) {
		encoding.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05")
		encoder = zapcore.NewConsoleEncoder(encoding)
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(e.err)), level)), nil
}

// isTerminal reports whether w shows what is written to it to a person.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// printJSON writes a value for a program to read.
func (e *environment) printJSON(v any) error {
	encoder := json.NewEncoder(e.out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// newTable is a plain table on standard output.
func (e *environment) newTable(header ...any) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(e.out)
	t.SetStyle(table.StyleLight)
	t.Style().Options = table.OptionsNoBordersAndSeparators
	t.Style().Format.Header = text.FormatDefault // names as they are configured
	t.SuppressTrailingSpaces()
	t.AppendHeader(table.Row(header))
	return t
}
