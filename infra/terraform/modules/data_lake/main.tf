# The buckets. What they share: versions, TLS only, no public access, own objects, unfinished uploads aborted.

data "aws_caller_identity" "current" {}

locals {
  account = data.aws_caller_identity.current.account_id
  # What a bucket is for, and after how many days its current objects go (0: never).
  purposes = {
    lake       = 0                             # Delta tables and raw deliveries
    deliveries = var.deliveries_retention_days # where the shop puts its files
    models     = 0                             # MLflow's artifacts
    logs       = var.logs_retention_days       # Spark's logs
    access     = var.logs_retention_days       # S3's own access logs
  }
  keyed = setsubtract(keys(local.purposes), ["access"]) # S3 delivers access logs only to SSE-S3 buckets
  # MLflow, Delta and Spark write to these; access logs of the access logs would feed themselves.
  logged = setsubtract(keys(local.purposes), ["access"])
}

resource "aws_s3_bucket" "this" {
  for_each      = local.purposes
  bucket        = "${var.name}-${local.account}-${each.key}"
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each                = local.purposes
  bucket                  = aws_s3_bucket.this[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = local.purposes
  bucket   = aws_s3_bucket.this[each.key].id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = local.purposes
  bucket   = aws_s3_bucket.this[each.key].id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.purposes
  bucket   = aws_s3_bucket.this[each.key].id
  rule {
    bucket_key_enabled = contains(local.keyed, each.key)
    apply_server_side_encryption_by_default {
      sse_algorithm     = contains(local.keyed, each.key) ? "aws:kms" : "AES256"
      kms_master_key_id = contains(local.keyed, each.key) ? var.data_key_arn : null
    }
  }
}

# Erasure deletes rows, vacuums the tables and so deletes files; here they go for good after `noncurrent_days`.
resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = local.purposes
  bucket   = aws_s3_bucket.this[each.key].id

  rule {
    id     = "erasure-holds"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = var.noncurrent_days
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = var.abort_uploads_days
    }
  }

  rule {
    id     = "markers-without-versions"
    status = "Enabled"
    filter {}
    expiration {
      expired_object_delete_marker = true
    }
  }

  dynamic "rule" {
    for_each = each.value > 0 ? [each.value] : []
    content {
      id     = "retention"
      status = "Enabled"
      filter {}
      expiration {
        days = rule.value
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_logging" "this" {
  for_each      = local.logged
  bucket        = aws_s3_bucket.this[each.key].id
  target_bucket = aws_s3_bucket.this["access"].id
  target_prefix = "${each.key}/"
  depends_on    = [aws_s3_bucket_policy.this] # S3 asks first whether it may write there
}

data "aws_iam_policy_document" "bucket" {
  for_each = local.purposes

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.this[each.key].arn, "${aws_s3_bucket.this[each.key].arn}/*"]
    principals {
      type        = "AWS"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }

  # Who names another key would write what the jobs cannot read.
  dynamic "statement" {
    for_each = contains(local.keyed, each.key) ? [1] : []
    content {
      sid       = "NoOtherKey"
      effect    = "Deny"
      actions   = ["s3:PutObject"]
      resources = ["${aws_s3_bucket.this[each.key].arn}/*"]
      principals {
        type        = "AWS"
        identifiers = ["*"]
      }
      condition {
        test     = "StringNotEqualsIfExists"
        variable = "s3:x-amz-server-side-encryption-aws-kms-key-id"
        values   = [var.data_key_arn]
      }
      condition {
        test     = "Null"
        variable = "s3:x-amz-server-side-encryption-aws-kms-key-id"
        values   = ["false"]
      }
    }
  }

  dynamic "statement" {
    for_each = each.key == "deliveries" && length(var.delivery_principals) > 0 ? [1] : []
    content {
      sid       = "TheShopDelivers"
      actions   = ["s3:PutObject", "s3:AbortMultipartUpload"]
      resources = ["${aws_s3_bucket.this[each.key].arn}/*"]
      principals {
        type        = "AWS"
        identifiers = var.delivery_principals
      }
    }
  }

  dynamic "statement" {
    for_each = each.key == "access" ? [1] : []
    content {
      sid       = "S3WritesAccessLogs"
      actions   = ["s3:PutObject"]
      resources = ["${aws_s3_bucket.this[each.key].arn}/*"]
      principals {
        type        = "Service"
        identifiers = ["logging.s3.amazonaws.com"]
      }
      condition {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [local.account]
      }
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  for_each   = local.purposes
  bucket     = aws_s3_bucket.this[each.key].id
  policy     = data.aws_iam_policy_document.bucket[each.key].json
  depends_on = [aws_s3_bucket_public_access_block.this]
}
