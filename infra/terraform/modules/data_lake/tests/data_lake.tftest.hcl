# Buckets: versions, erasure, TLS, no public access; and what is refused.

mock_provider "aws" {
  source          = "../../mocks"
  override_during = plan
}

variables {
  name         = "nightshelf-test"
  data_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/data"
}

run "buckets" {
  command = plan

  assert {
    condition     = aws_s3_bucket.this["lake"].bucket == "nightshelf-test-123456789012-lake"
    error_message = "Bucket names carry the account, since they are the world's."
  }
  assert {
    condition     = alltrue([for it in aws_s3_bucket_versioning.this : it.versioning_configuration[0].status == "Enabled"])
    error_message = "All buckets are versioned."
  }
  assert {
    condition = alltrue([
      for it in aws_s3_bucket_lifecycle_configuration.this :
      anytrue([for rule in it.rule : try(rule.noncurrent_version_expiration[0].noncurrent_days, 99) <= 30 && rule.status == "Enabled"])
    ])
    error_message = "Old versions must go within a month, or erasure does not hold."
  }
  assert {
    condition = alltrue([
      for it in aws_s3_bucket_lifecycle_configuration.this :
      anytrue([for rule in it.rule : try(rule.abort_incomplete_multipart_upload[0].days_after_initiation, 0) == 3])
    ])
    error_message = "Unfinished uploads must be removed."
  }
  assert {
    condition = alltrue([
      for it in aws_s3_bucket_public_access_block.this :
      it.block_public_acls && it.block_public_policy && it.ignore_public_acls && it.restrict_public_buckets
    ])
    error_message = "No bucket may become public."
  }
  assert {
    condition = alltrue([
      for document in data.aws_iam_policy_document.bucket : anytrue([
        for it in document.statement : it.effect == "Deny" && contains(it.actions, "s3:*") && anytrue([for c in it.condition : c.variable == "aws:SecureTransport"])
      ])
    ])
    error_message = "Every bucket must refuse what does not come by TLS."
  }
  assert {
    condition = alltrue([
      for name in ["lake", "deliveries", "models", "logs"] :
      one(one(aws_s3_bucket_server_side_encryption_configuration.this[name].rule).apply_server_side_encryption_by_default).kms_master_key_id == var.data_key_arn
    ])
    error_message = "Data is encrypted with the data key."
  }
  assert {
    condition     = alltrue([for bucket in aws_s3_bucket.this : !bucket.force_destroy])
    error_message = "Buckets that hold objects stay unless somebody asks for their end."
  }
  assert {
    condition     = output.lake_root == "s3a://nightshelf-test-123456789012-lake/lake" || startswith(output.lake_root, "s3a://")
    error_message = "LAKE_ROOT is an s3a:// address."
  }
  assert {
    condition     = !contains([for it in data.aws_iam_policy_document.bucket["deliveries"].statement : it.sid], "TheShopDelivers")
    error_message = "Nobody delivers unless named."
  }
}

run "the_shop_delivers" {
  command = plan
  variables {
    delivery_principals = ["arn:aws:iam::210987654321:role/exporter"]
  }

  assert {
    condition = one([
      for it in data.aws_iam_policy_document.bucket["deliveries"].statement : it.actions if it.sid == "TheShopDelivers"
    ]) == toset(["s3:PutObject", "s3:AbortMultipartUpload"])
    error_message = "The shop may put files and nothing else."
  }
  assert {
    condition     = !contains([for it in data.aws_iam_policy_document.bucket["lake"].statement : it.sid], "TheShopDelivers")
    error_message = "The shop has no business in the lake."
  }
}

run "refuses" {
  command = plan
  variables {
    noncurrent_days           = 365
    abort_uploads_days        = 0
    deliveries_retention_days = 2
    logs_retention_days       = 1
    delivery_principals       = ["*"]
  }
  expect_failures = [
    var.noncurrent_days, var.abort_uploads_days, var.deliveries_retention_days, var.logs_retention_days, var.delivery_principals,
  ]
}
