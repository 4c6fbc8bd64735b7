package replay

import "time"

// PageSize makes a driver list small pages.
func PageSize(d *Driver, n int) { d.pageSize = n }

// FoldPatience sets how long a driver leaves a fold alone whose parts failed.
func FoldPatience(d *Driver, t time.Duration) { d.foldPatience = t }

// Rest lets a driver rest after every step that leads nowhere, so many times as long as it took.
func Rest(d *Driver, share time.Duration) { d.longStep, d.restShare = 0, share }

// ShortTurns lets a look list no more than a page.
func ShortTurns(d *Driver) { d.listTurn = 0 }

// CountedKeys sets how many keys of live rows a gate holds at once.
func CountedKeys(d *Driver, n int) { d.countedKeys = n }

// DrainPoll sets how often Continue looks whether what was begun before the start is archived.
func DrainPoll(d *Driver, t time.Duration) { d.drainPoll = t }
