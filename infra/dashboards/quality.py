"""The dashboard Lists and quality, for analysts."""

from infra.dashboards.panel import BAD, DAY, Board, Panel

QUALITY = Board(
    "nightshelf-quality",
    "Nightshelf: Lists and quality",
    "How good the champion and the lists are, what was decided, and what shoppers are given.",
    {
        "Verdict": [
            Panel(
                "Last verdict",
                {"max by (verdict) (nightshelf_judging_verdict) == 1": "{{verdict}}"},
                kind="table",
                says="keep on most days; retrain about weekly.",
                width=6,
            ),
            Panel(
                "Champion, and what it was trained through",
                {"max(nightshelf_judging_bundle_version)": "version"},
                kind="stat",
                width=4,
            ),
            Panel(
                "Since it learned last",
                {"time() - max(nightshelf_judging_bundle_trained_through_timestamp_seconds)": "age"},
                "s",
                "stat",
                steps=((None, "green"), (10 * DAY, "orange"), (21 * DAY, "red")),
                width=4,
            ),
            Panel(
                "Verdicts to train, 30 days",
                {"max(nightshelf_judging_retrainings)": "trainings"},
                kind="stat",
                says="By age alone about four.",
                steps=((None, "green"), (8, "orange"), (11, "red")),
                width=4,
            ),
            Panel(
                "Judged on",
                {
                    "max(nightshelf_judging_day_timestamp_seconds) * 1000": "end of the day",
                },
                "dateTimeFromNow",
                "stat",
                width=6,
            ),
        ],
        "Champion": [
            Panel(
                "AUC on the day, its interval, its reference",
                {
                    "max(nightshelf_judging_auc)": "AUC",
                    "max(nightshelf_judging_auc_low)": "lower bound",
                    "max(nightshelf_judging_auc_high)": "upper bound",
                    "max(nightshelf_judging_reference_auc)": "reference (at promotion)",
                    "max(nightshelf_judging_auc_floor)": "floor",
                },
                says="It retrains when the upper bound lies below reference x (1 - AUC_DROP), or below the floor.",
                width=16,
            ),
            Panel(
                "Relative drop",
                {
                    "max(nightshelf_judging_auc_drop_ratio)": "drop",
                    "max(nightshelf_judging_auc_drop_limit_ratio)": "AUC_DROP",
                },
                "percentunit",
            ),
            Panel(
                "Shoppers judged", {"max(nightshelf_judging_users)": "shoppers"}, says="Under 30 nothing is decided."
            ),
            Panel(
                "Trainings: version, and whether it was promoted",
                {
                    "max(nightshelf_training_bundle_version)": "version",
                    "max(nightshelf_training_promoted)": "promoted (1)",
                },
            ),
            Panel(
                "Reference AUC of the last training",
                {"max(nightshelf_training_reference_auc)": "reference"},
            ),
            Panel(
                "Last training learned through",
                {"time() - max(nightshelf_training_trained_through_timestamp_seconds)": "age"},
                "s",
            ),
        ],
        "Lists": [
            Panel("NDCG@20 of yesterday's lists", {"max(nightshelf_judging_lists_ndcg)": "home"}),
            Panel(
                "Shoppers without a list of their own",
                {"max(nightshelf_judging_lists_fallback_ratio)": "share of the day's shoppers"},
                "percentunit",
            ),
            Panel(
                "Lists made",
                {
                    "max by (kind) (nightshelf_lists_owners)": "{{kind}}",
                    "max(nightshelf_lists_left_out_arms)": "arms left out",
                },
            ),
            Panel("Entries made", {"max(nightshelf_lists_rows)": "entries"}),
            Panel("Lists that serve", {"max by (surface, kind) (nightshelf_serving_lists)": "{{surface}} {{kind}}"}),
            Panel(
                "Bundle of the lists: made, and serving",
                {
                    "max(nightshelf_lists_bundle_version)": "made",
                    "max by (surface) (nightshelf_serving_bundle_version)": "{{surface}}",
                },
            ),
            Panel(
                "Age of the lists that serve",
                {"time() - max by (surface) (nightshelf_serving_generated_timestamp_seconds)": "{{surface}}"},
                "s",
            ),
            Panel(
                "Went back by hand",
                {"max by (surface) (nightshelf_serving_rolled_back)": "{{surface}}"},
                kind="state-timeline",
                steps=BAD,
                values={0: "published", 1: "rolled back"},
            ),
            Panel(
                "Whose list shoppers saw",
                {
                    "sum by (fallback) (rate(storefront_lookups_total[1h]))"
                    " / ignoring (fallback) group_left sum(rate(storefront_lookups_total[1h]))": "{{fallback}}"
                },
                "percentunit",
            ),
        ],
    },
    hours=24 * 60,
)
