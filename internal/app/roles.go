package app

import (
	"slices"

	"github.com/seed-56345083/reprise/internal/dynamo"
	"github.com/seed-56345083/reprise/queue/sqsqueue"
)

// Role is what a process does, and so what it must be allowed to.
type Role string

// The roles. `reprise run` has all of them.
const (
	RoleStart Role = "start" // start, and every other command of an operator: they do a watcher's steps, and look at what is set
	RoleWork  Role = "work"
	RoleWatch Role = "watch"
)

// Roles are all of them.
func Roles() []Role { return []Role{RoleStart, RoleWork, RoleWatch} }

// part is what permissions are about.
type part string

const (
	partWork     part = "queue"
	partDead     part = "dead-letter queue"
	partArchive  part = "bucket, archive.prefix"
	partPartials part = "bucket, partials/"
	partMeta     part = "table meta"
	partCursors  part = "table cursors"
	partStats    part = "table stats"
)

// inTransaction is the permission to put, tried by another call: a transaction has none of its own.
const inTransaction = dynamo.ActionPut + " in TransactWriteItems"

// need is a permission and the roles that cannot do without it.
type need struct {
	part   part
	action string
	roles  []Role
}

// needs are all permissions, in the order in which they are told. Whoever adds a call to a driver adds it here, and to
// the table in docs/config.md.
var needs = func() []need {
	var (
		everyone  = Roles()
		driving   = []Role{RoleStart, RoleWatch} // what drives a replay
		working   = []Role{RoleWork}
		operating = []Role{RoleStart}
	)
	return []need{
		{partWork, sqsqueue.ActionURL, everyone},
		{partWork, sqsqueue.ActionAttributes, everyone},
		{partWork, sqsqueue.ActionSend, everyone},
		{partWork, sqsqueue.ActionReceive, working},
		{partWork, sqsqueue.ActionDelete, working},
		{partWork, sqsqueue.ActionVisibility, working},
		{partDead, sqsqueue.ActionURL, everyone},
		{partDead, sqsqueue.ActionAttributes, driving},
		{partDead, sqsqueue.ActionSend, working},
		{partDead, sqsqueue.ActionReceive, driving},
		{partDead, sqsqueue.ActionDelete, driving},
		{partDead, sqsqueue.ActionVisibility, driving},
		{partArchive, "s3:ListBucket", everyone}, // without it S3 calls a missing object forbidden
		{partArchive, "s3:GetObject", []Role{RoleStart, RoleWork}},
		{partArchive, "s3:GetObjectTagging", everyone},
		{partArchive, "s3:PutObjectTagging", everyone},
		{partArchive, "s3:DeleteObjectTagging", everyone}, // a worker that comes after a cancel takes its tags off again
		{partPartials, "s3:ListBucket", everyone},
		{partPartials, "s3:GetObject", working},
		{partPartials, "s3:PutObject", working},
		{partPartials, "s3:DeleteObject", driving},
		{partMeta, dynamo.ActionDescribe, operating},
		{partMeta, dynamo.ActionDescribeTTL, operating},
		{partMeta, dynamo.ActionGet, everyone},
		{partMeta, dynamo.ActionQuery, everyone},
		{partMeta, dynamo.ActionPut, everyone},
		{partMeta, inTransaction, driving},
		{partMeta, dynamo.ActionUpdate, driving},
		{partMeta, dynamo.ActionDelete, driving},
		{partCursors, dynamo.ActionDescribe, operating},
		{partCursors, dynamo.ActionGet, everyone},
		{partCursors, dynamo.ActionQuery, everyone},
		{partCursors, dynamo.ActionPut, driving},
		{partCursors, dynamo.ActionUpdate, everyone},
		{partStats, dynamo.ActionDescribe, operating},
		{partStats, dynamo.ActionQuery, driving},
		{partStats, dynamo.ActionPut, working},
		{partStats, dynamo.ActionBatch, everyone},
		{partStats, dynamo.ActionDelete, driving},
	}
}()

// rolesOf are those of the roles that need a permission.
func rolesOf(p part, action string, among []Role) []Role {
	var found []Role
	for _, n := range needs {
		if n.part != p || n.action != action {
			continue
		}
		for _, r := range n.roles {
			if slices.Contains(among, r) {
				found = append(found, r)
			}
		}
	}
	return found
}
