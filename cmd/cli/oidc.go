package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ward-health/ward/tenancy"
)

func (a *app) oidcCmd() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "The declared identity providers, their keys, and who is linked", Args: cobra.NoArgs,
		Annotations: audited("browse"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				rows, err := s.Issuers(cmd.Context())
				if err != nil {
					return err
				}
				return emit(a, rows, []string{"ISSUER", "CLIENT", "KEYS", "FETCHED", "REQUIRES", "LINKED", "ENDED"},
					func(i tenancy.Issuer) []string {
						requires := strings.Join(append(append([]string{}, i.RequiredACR...), i.RequiredAMR...), ", ")
						return []string{i.Issuer, i.ClientID, fmt.Sprint(len(i.KIDs)), when(i.FetchedAt),
							or(&requires, "-"), fmt.Sprint(len(i.Identities)), whenOr(i.EndedAt, "-")}
					})
			})
		},
	}
	a.jsonFlag(list)
	var reason string
	remove := &cobra.Command{
		Use: "remove ISSUER", Short: "Declare a provider no longer; its sessions go on until they end",
		Args: cobra.ExactArgs(1), Annotations: audited("configure"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				if err := s.EndIssuer(cmd.Context(), args[0], reason); err != nil {
					return err
				}
				a.say("issuer removed: nobody signs in by it from now on")
				return nil
			})
		},
	}
	remove.Flags().StringVar(&reason, "reason", "", "why (needed)")
	return noun("oidc", "Identity providers (OpenID Connect)", list, a.oidcAddCmd(), a.oidcRefreshCmd(), remove)
}

func (a *app) oidcAddCmd() *cobra.Command {
	in := tenancy.NewIssuer{}
	c := &cobra.Command{
		Use: "add ISSUER CLIENT_ID", Short: "Declare a provider, with the keys that it publishes now",
		Args: cobra.ExactArgs(2), Annotations: audited("configure"),
		Long: `Asks the provider for its endpoints and keys over https (http only on this machine). CLIENT_ID is a
client without a secret that may use the device flow. Declaring a provider lets nobody in: ward user link says whose a
subject is. With --require-acr or --require-amr the provider's own second factor counts, and who signs in without it
is refused. Only keys of RSA with RS256 are used.`,
		Example: "  ward oidc add https://id.example.org ward-cli --require-amr mfa",
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Issuer, in.ClientID = args[0], args[1]
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				d, err := tenancy.Discover(cmd.Context(), in.Issuer)
				if err != nil {
					return err
				}
				id, err := s.AddIssuer(cmd.Context(), in, d)
				return a.added(fmt.Sprintf("issuer %s (%d keys)", in.Issuer, len(d.Keys)), id, err)
			})
		},
	}
	c.Flags().StringSliceVar(&in.RequiredACR, "require-acr", nil, "the token's acr must be one of these")
	c.Flags().StringSliceVar(&in.RequiredAMR, "require-amr", nil, "the token's amr must have all of these")
	return c
}

func (a *app) oidcRefreshCmd() *cobra.Command {
	return &cobra.Command{
		Use: "refresh", Short: "Fetch the keys of every declared provider anew, as ward_identity", Args: cobra.NoArgs,
		Annotations: exempt("acts as ward_identity, without a person: its event names that login"),
		Long: `Connects as ward_identity (identity_database in ward.yaml, or WARD_IDENTITY_DATABASE_URL), which can
replace keys of declared providers and do nothing else. Run it hourly, by a timer, on a machine of its own
where you can. Anyone who acts as ward_identity can put in keys of their own and sign in as any linked user.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.settings()
			if err != nil {
				return err
			}
			if s.Identity == "" {
				return usagef("no database for this: set identity_database in ward.yaml, " +
					"or WARD_IDENTITY_DATABASE_URL (as ward_identity)")
			}
			db, err := known(cmd.Context(), s.Identity)
			if err != nil {
				return err
			}
			defer db.Close()
			return a.refreshKeys(cmd.Context(), db)
		},
	}
}

// refreshKeys asks each provider; one that is down does not keep the others from being asked.
func (a *app) refreshKeys(ctx context.Context, db *tenancy.DB) error {
	providers, err := db.Providers(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for _, p := range providers {
		d, err := tenancy.Discover(ctx, p.Issuer)
		n := 0
		if err == nil {
			n, err = db.ReplaceKeys(ctx, p.Issuer, d.Keys)
		}
		if err != nil {
			failed = append(failed, err)
			continue
		}
		a.say("%s: %d keys, %d came or went", p.Issuer, len(d.Keys), n)
	}
	return errors.Join(failed...)
}

// linkCmds are the verbs of ward user that say whose a provider's subject is.
func (a *app) linkCmds() []*cobra.Command {
	link := &cobra.Command{
		Use: "link USER ISSUER SUBJECT", Short: "Say that a provider's subject is this user, for ever",
		Args: cobra.ExactArgs(3), Annotations: audited("configure"),
		Long: `SUBJECT is the provider's own id of the person (claim sub), not a mail address: addresses are given to
others. A subject is one user's for ever; ward user unlink ends the link and it can be linked to the same user again.
Who signs in unlinked is told their subject.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				if _, err := s.LinkIdentity(cmd.Context(), args[0], args[1], args[2]); err != nil {
					return err
				}
				a.say("%s signs in at %s from now on", args[0], args[1])
				return nil
			})
		},
	}
	var reason string
	unlink := &cobra.Command{
		Use: "unlink USER ISSUER SUBJECT", Short: "End a link", Args: cobra.ExactArgs(3),
		Annotations: audited("configure"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *tenancy.Session) error {
				if err := s.UnlinkIdentity(cmd.Context(), args[0], args[1], args[2], reason); err != nil {
					return err
				}
				a.say("link ended: sessions that it opened go on until they end")
				return nil
			})
		},
	}
	unlink.Flags().StringVar(&reason, "reason", "", "why (needed)")
	return []*cobra.Command{link, unlink}
}
