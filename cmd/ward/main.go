// Command ward is a tenancy, audit and compliance-review system for multi-tenant telehealth on PostgreSQL.
package main

import (
	"os"

	"github.com/ward-health/ward/cmd/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], cli.System()))
}
