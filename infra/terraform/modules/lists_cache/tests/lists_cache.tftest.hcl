# The lists' store: TLS, users, no eviction, failover; and what is refused.

mock_provider "aws" {
  source          = "../../mocks"
  override_during = plan
}

variables {
  name                      = "nightshelf-test"
  vpc_id                    = "vpc-0123456789abcdef0"
  subnet_ids                = ["subnet-a", "subnet-b"]
  client_security_group_ids = { airflow = "sg-airflow", storefront = "sg-storefront" }
  data_key_arn              = "arn:aws:kms:eu-west-1:123456789012:key/data"
  logs_key_arn              = "arn:aws:kms:eu-west-1:123456789012:key/logs"
}

run "store" {
  command = plan

  assert {
    condition     = aws_elasticache_replication_group.this.transit_encryption_enabled && aws_elasticache_replication_group.this.transit_encryption_mode == "required" && aws_elasticache_replication_group.this.at_rest_encryption_enabled
    error_message = "TLS is required."
  }
  assert {
    condition     = aws_elasticache_replication_group.this.num_cache_clusters == 2 && aws_elasticache_replication_group.this.automatic_failover_enabled && aws_elasticache_replication_group.this.multi_az_enabled
    error_message = "A replica in another zone takes over."
  }
  assert {
    condition     = anytrue([for it in aws_elasticache_parameter_group.this.parameter : it.name == "maxmemory-policy" && it.value == "noeviction"])
    error_message = "Lists are never dropped for room."
  }
  assert {
    condition     = alltrue([for user in aws_elasticache_user.this : user.authentication_mode[0].type == "iam" && user.user_id == user.user_name])
    error_message = "Users log in with IAM, for which name and id must be the same."
  }
  assert {
    condition     = aws_elasticache_user.this["reader"].access_string == "on ~recs:* resetchannels -@all +ping +get +hgetall +lrange +scan"
    error_message = "The reader reads recs:* and does nothing else."
  }
  assert {
    condition     = alltrue([for user in aws_elasticache_user.this : strcontains(user.access_string, "on ~recs:* resetchannels -@all ") && !strcontains(user.access_string, "+@")])
    error_message = "No user sees other keys or gets whole classes of commands."
  }
  assert {
    condition     = startswith(output.urls["reader"], "rediss://nightshelf-test-reader@") && endswith(output.urls["reader"], "?aws_cache=nightshelf-test-lists")
    error_message = "REDIS_URL names TLS, user and cache."
  }
}

run "one_node" {
  command = plan
  variables {
    replicas = 0
    multi_az = false
  }

  assert {
    condition     = aws_elasticache_replication_group.this.num_cache_clusters == 1 && !aws_elasticache_replication_group.this.automatic_failover_enabled
    error_message = "One node cannot fail over."
  }
  assert {
    condition     = output.nodes == ["nightshelf-test-lists-001"]
    error_message = "Alarms look at the nodes that there are."
  }
}

run "refuses" {
  command = plan
  variables {
    subnet_ids     = ["subnet-a"]
    engine_version = "6.2"
    node_type      = "r7g.large"
    replicas       = 9
    snapshot_days  = 99
  }
  expect_failures = [var.subnet_ids, var.engine_version, var.node_type, var.replicas, var.snapshot_days]
}

run "refuses_lists_on_disk" {
  command = plan
  variables {
    node_type = "cache.r6gd.xlarge"
  }
  expect_failures = [var.node_type]
}
