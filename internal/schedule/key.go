package schedule

import (
	"context"
	"fmt"
	"time"

	"imreport/internal/report"
	"imreport/internal/run"
)

// WhyKey: the API key is dead, or does not reach the ad account. Such a raw
// data will not be ready at all until somebody repairs that.
const WhyKey Why = "key"

// unreachable are the ad accounts of a workspace that will not be reached as
// things stand.
func (s *Service) unreachable(ctx context.Context, workspaceID string) (map[string]bool, error) {
	if s.o.Unreachable == nil {
		return nil, nil
	}
	refused, err := s.instants(ctx, `SELECT d.ad_account_id, max(s.at_us) FROM raw_data_state s
		JOIN raw_data d ON d.id = s.raw_data_id AND d.deleted_us = 0
		WHERE d.workspace_id = $1 AND s.state = $2 AND s.reason = $3 GROUP BY d.ad_account_id`,
		workspaceID, run.Failed, string(run.CodeAccountForbidden))
	if err != nil {
		return nil, fmt.Errorf("refused accounts of workspace %s: %w", workspaceID, err)
	}
	return s.o.Unreachable(ctx, workspaceID, refused)
}

// barred is c when its ad account cannot be reached: late, without an instant
// at which it is ready. What is left out on purpose stays as it is.
func (c Coming) barred(rd report.RawData, unreachable map[string]bool) Coming {
	if unreachable[rd.AccountID] && c.Skip == "" {
		c.Late, c.Why, c.Ready = true, WhyKey, time.Time{}
	}
	return c
}
