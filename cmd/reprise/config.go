package main

import "fmt"

type configCommand struct {
	Check configCheckCommand `cmd:"" help:"Check the configuration and say what it means."`
}

type configCheckCommand struct {
	JSON bool `help:"Print JSON."`
}

// Run checks the configuration; loading it is the check.
func (c *configCheckCommand) Run(e *environment) error {
	loaded, err := e.load()
	if err != nil {
		return err
	}
	type protocol struct {
		Protocol   string   `json:"protocol"`
		Definition string   `json:"definition"` // hash
		Statistics []string `json:"statistics"`
	}
	var protocols []protocol
	for _, name := range loaded.Protocols() {
		definition := loaded.Definition(name)
		p := protocol{Protocol: name, Definition: definition.Hash()}
		for _, s := range definition.Stats {
			p.Statistics = append(p.Statistics, s.Name)
		}
		protocols = append(protocols, p)
	}
	if c.JSON {
		return e.printJSON(protocols)
	}
	t := e.newTable("protocol", "statistics", "definition")
	for _, p := range protocols {
		t.AppendRow([]any{p.Protocol, fmt.Sprint(len(p.Statistics)), p.Definition[:12]})
	}
	t.Render()
	return nil
}
