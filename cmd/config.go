package cmd

import (
	"fmt"
	"strings"

	"github.com/seed-56345083/reprise/internal/app"
	"github.com/seed-56345083/reprise/internal/config"
)

type configCommand struct {
	Check configCheckCommand `cmd:"" help:"Check the configuration and say what it means."`
}

type configCheckCommand struct {
	JSON bool     `help:"Print JSON."`
	Live bool     `help:"Ask the services: try every permission and look at every setting that the roles need, and change nothing. Exit code 3 where something is missing."`
	Role []string `placeholder:"ROLE" enum:"start,work,watch,live,archive" help:"With --live: only what these roles need: start (every command of an operator), work, watch, and with a live side live, archive. Default: all."`
}

// Run checks the configuration; loading it is the check.
func (c *configCheckCommand) Run(e *environment) error {
	if len(c.Role) > 0 && !c.Live {
		return fmt.Errorf("%w: --role goes with --live", app.ErrUsage)
	}
	loaded, err := e.load()
	if err != nil {
		return err
	}
	if c.Live {
		return c.live(e, loaded)
	}
	type protocol struct {
		Protocol   string   `json:"protocol"`
		Definition string   `json:"definition"` // hash
		Statistics []string `json:"statistics"`
		ArchivedBy string   `json:"archived_by,omitempty"` // empty: no live side
	}
	var protocols []protocol
	for _, name := range loaded.Protocols() {
		definition := loaded.Definition(name)
		p := protocol{Protocol: name, Definition: definition.Hash(), ArchivedBy: archivedBy(loaded, name)}
		for _, s := range definition.Stats {
			p.Statistics = append(p.Statistics, s.Name)
		}
		protocols = append(protocols, p)
	}
	if c.JSON {
		return e.printJSON(protocols)
	}
	t := e.newTable("protocol", "statistics", "definition", "live side")
	for _, p := range protocols {
		live := "none"
		if p.ArchivedBy != "" {
			live = "archived by " + p.ArchivedBy
		}
		t.AppendRow([]any{p.Protocol, fmt.Sprint(len(p.Statistics)), p.Definition[:12], live})
	}
	t.Render()
	return nil
}

// archivedBy says who moves what comes in to the archive; empty without a live side.
func archivedBy(c config.Config, protocol string) string {
	switch {
	case !c.Live.On:
		return ""
	case c.Protocol[protocol].Others():
		return config.ArchivedByOthers
	default:
		return config.ArchivedByReprise
	}
}

// live prints what the services say; something missing is a check that did not hold.
func (c *configCheckCommand) live(e *environment, loaded config.Config) error {
	var roles []app.Role
	for _, r := range c.Role {
		roles = append(roles, app.Role(r))
	}
	checks, err := app.CheckLive(e, loaded, version, roles)
	if err != nil {
		return err
	}
	failed := 0
	for _, k := range checks {
		if !k.Holds() {
			failed++
		}
	}
	if c.JSON {
		err = e.printJSON(checks)
	} else {
		t := e.newTable("", "on", "what", "for", "why")
		for _, k := range checks {
			t.AppendRow([]any{k.State, k.On, k.What, names(k.Roles), k.Why})
		}
		t.Render()
	}
	if err == nil && failed > 0 {
		err = fmt.Errorf("%w: %d of %d, those that say missing or unknown", errCheck, failed, len(checks))
	}
	return err
}

func names(roles []app.Role) string {
	var list []string
	for _, r := range roles {
		list = append(list, string(r))
	}
	return strings.Join(list, ", ")
}
