package cmd

import (
	"cmp"
	"errors"
	"fmt"
	"os"

	"github.com/seed-56345083/reprise/internal/app"
	"github.com/seed-56345083/reprise/internal/config"
)

type initCommand struct {
	File         string `arg:"" optional:"" type:"path" help:"The file to write; it must not exist. Default: what --config names, or reprise.yaml here."`
	AWS          bool   `name:"aws" help:"Write nothing: make the queues and tables that the configuration names, and say what was made. It may be run again."`
	CreateBucket bool   `help:"With --aws: make the bucket too, if it is not there."`
	JSON         bool   `help:"With --aws: print JSON."`
}

// Run writes the sample configuration, or makes what the configuration names.
func (c *initCommand) Run(e *environment) error {
	switch {
	case c.AWS && c.File != "":
		return fmt.Errorf("%w: init --aws reads the configuration and writes no file; leave %s out, or name it with --config", app.ErrUsage, c.File)
	case c.AWS:
		return c.provision(e)
	case c.CreateBucket, c.JSON:
		return fmt.Errorf("%w: --create-bucket and --json go with init --aws", app.ErrUsage)
	}
	return c.write(e)
}

// write writes the sample, and never over a file that is there.
func (c *initCommand) write(e *environment) error {
	c.File = cmp.Or(c.File, e.commands.Config, config.FileName)
	f, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%w: %s exists already; name another file, or remove it", app.ErrUsage, c.File)
	}
	if err != nil {
		return fmt.Errorf("writing the sample configuration: %w", err)
	}
	if _, err := f.WriteString(config.Sample()); err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", c.File, err), f.Close())
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("writing %s: %w", c.File, err)
	}
	fmt.Fprintf(e.err, "%s is written. Set local.archive and the protocols, then: reprise config check, reprise plan, reprise start, reprise run --once\n", c.File)
	return nil
}

// provision makes what the aws backend needs, and prints each step, also after an error.
func (c *initCommand) provision(e *environment) error {
	loaded, err := e.load()
	if err != nil {
		return err
	}
	if loaded.Backend == config.BackendAWS {
		fmt.Fprintln(e.err, "looking at queues, tables and bucket, and making what is missing; new tables take some seconds")
	}
	steps, err := app.Provision(e, loaded, version, c.CreateBucket)
	if c.JSON && steps != nil {
		return errors.Join(e.printJSON(steps), err)
	}
	if steps != nil {
		t := e.newTable("", "what", "setting", "why")
		for _, s := range steps {
			t.AppendRow([]any{s.Action, s.On, s.Setting, explainStep(s)})
		}
		t.Render()
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(e.err, "everything is there; next: reprise config check --live, then reprise start")
	return nil
}

// explainStep says what a setting is, or was, and would be, and why.
func explainStep(s app.Step) string {
	have, want := cmp.Or(s.Have, "not set"), cmp.Or(s.Want, "not set")
	text := ""
	switch s.Action {
	case app.ActionChanged:
		text = fmt.Sprintf("it was %s, now %s", have, want)
	case app.ActionKept, app.ActionRefused:
		if s.Setting != "" {
			text = fmt.Sprintf("it is %s, this would be %s", have, want)
		}
	}
	switch {
	case text == "":
		return s.Why
	case s.Why == "":
		return text
	}
	return text + ": " + s.Why
}
